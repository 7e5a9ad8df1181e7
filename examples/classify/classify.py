"""Tune a classifier on sentences in one language, then use it on sentences in others.

python examples/classify/classify.py --model runs/demo/run/merged --out topics
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainingArguments,
    set_seed,
)

DATA = Path(__file__).parent / "data"


def read(path: Path) -> list[dict[str, str]]:
    """Rows ``{"text", "label"}``, one a line."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def main(arguments: Sequence[str] | None = None) -> dict[str, float]:
    """Tune, save, and print the accuracy in every language there is a file of; language to accuracy."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="an exported model, or a name on the hub")
    parser.add_argument("--data", type=Path, default=DATA, help="train.LANGUAGE.jsonl and test.*.jsonl")
    parser.add_argument("--language", default="en", help="to tune on")
    parser.add_argument("--out", type=Path, default=Path("topics"), help="the tuned model")
    parser.add_argument("--epochs", type=float, default=20)
    parser.add_argument("--lr", type=float, default=1e-4)
    options = parser.parse_args(arguments)
    set_seed(17)

    train = read(options.data / f"train.{options.language}.jsonl")
    labels = sorted({row["label"] for row in train})
    tokenizer = AutoTokenizer.from_pretrained(options.model)
    model = AutoModelForSequenceClassification.from_pretrained(
        options.model,
        num_labels=len(labels),
        id2label=dict(enumerate(labels)),
        label2id={label: number for number, label in enumerate(labels)},
    )
    if hasattr(model.config, "reference_compile"):
        model.config.reference_compile = False  # ModernBERT would compile anew for every length

    def encode(rows: list[dict[str, str]]) -> list[dict]:
        return [
            {**tokenizer(row["text"], truncation=True, max_length=128), "labels": labels.index(row["label"])}
            for row in rows
        ]

    trainer = Trainer(
        model,
        TrainingArguments(
            output_dir=str(options.out),
            num_train_epochs=options.epochs,
            learning_rate=options.lr,
            per_device_train_batch_size=8,
            warmup_ratio=0.1,
            logging_strategy="no",
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            dataloader_pin_memory=False,
        ),
        train_dataset=encode(train),
        data_collator=DataCollatorWithPadding(tokenizer),
    )
    trainer.train()
    trainer.save_model()
    tokenizer.save_pretrained(options.out)

    accuracy = {}
    for path in sorted(options.data.glob("test.*.jsonl")):
        language = path.name.split(".")[1]
        predicted = trainer.predict(encode(read(path)))
        accuracy[language] = float((np.argmax(predicted.predictions, axis=1) == predicted.label_ids).mean())
        print(f"{language}: {accuracy[language]:.0%} of {len(predicted.label_ids)} sentences")
    return accuracy


if __name__ == "__main__":
    main()
