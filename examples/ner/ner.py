"""Tune a tagger of names on sentences in one language, then use it on sentences in others.

python examples/ner/ner.py --model runs/demo/run/merged --out names
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from seqeval.metrics import f1_score
from transformers import (
    AutoModelForTokenClassification,
    AutoTokenizer,
    DataCollatorForTokenClassification,
    Trainer,
    TrainingArguments,
    set_seed,
)

DATA = Path(__file__).parent / "data"
TAGS = ["O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC"]
IGNORE = -100


def read(path: Path) -> list[dict[str, list[str]]]:
    """Rows ``{"tokens", "tags"}``, one a line."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def encode(tokenizer, row: dict[str, list[str]]) -> dict[str, list[int]]:
    """A row with a label on the first piece of each word.

    The words are joined by spaces and tokenized together, as in pre-training: word by word a tokenizer without a dummy
    prefix would give pieces that the model has hardly seen.
    """
    text = " ".join(row["tokens"])
    starts = np.cumsum([0, *(len(word) + 1 for word in row["tokens"])])[:-1]
    encoded = tokenizer(text, truncation=True, max_length=256, return_offsets_mapping=True)
    labels, seen = [], set()
    for start, end in encoded.pop("offset_mapping"):
        # A piece may begin with the space before its word.
        word = int(np.searchsorted(starts, max(start, end - 1), side="right")) - 1
        first = end > start and word not in seen
        labels.append(TAGS.index(row["tags"][word]) if first else IGNORE)
        seen.update({word} if first else ())
    return {**encoded, "labels": labels}


def main(arguments: Sequence[str] | None = None) -> dict[str, float]:
    """Tune, save, and print the F1 of whole names in every language there is a file of; language to F1."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="an exported model, or a name on the hub")
    parser.add_argument("--data", type=Path, default=DATA, help="train.LANGUAGE.jsonl and test.*.jsonl")
    parser.add_argument("--language", default="en", help="to tune on")
    parser.add_argument("--out", type=Path, default=Path("names"), help="the tuned model")
    parser.add_argument("--epochs", type=float, default=20)
    parser.add_argument("--lr", type=float, default=2e-4)
    options = parser.parse_args(arguments)
    set_seed(17)

    tokenizer = AutoTokenizer.from_pretrained(options.model)
    model = AutoModelForTokenClassification.from_pretrained(
        options.model,
        num_labels=len(TAGS),
        id2label=dict(enumerate(TAGS)),
        label2id={tag: number for number, tag in enumerate(TAGS)},
    )
    if hasattr(model.config, "reference_compile"):
        model.config.reference_compile = False  # ModernBERT would compile anew for every length
    trainer = Trainer(
        model,
        TrainingArguments(
            output_dir=str(options.out),
            num_train_epochs=options.epochs,
            learning_rate=options.lr,
            per_device_train_batch_size=4,
            warmup_ratio=0.1,
            logging_strategy="no",
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            dataloader_pin_memory=False,
        ),
        train_dataset=[encode(tokenizer, row) for row in read(options.data / f"train.{options.language}.jsonl")],
        data_collator=DataCollatorForTokenClassification(tokenizer),
    )
    trainer.train()
    trainer.save_model()
    tokenizer.save_pretrained(options.out)

    scores = {}
    for path in sorted(options.data.glob("test.*.jsonl")):
        language = path.name.split(".")[1]
        predicted = trainer.predict([encode(tokenizer, row) for row in read(path)])
        best = np.argmax(predicted.predictions, axis=2)
        rows = [labels != IGNORE for labels in predicted.label_ids]
        true = [[TAGS[tag] for tag in labels[kept]] for labels, kept in zip(predicted.label_ids, rows, strict=True)]
        found = [[TAGS[tag] for tag in tags[kept]] for tags, kept in zip(best, rows, strict=True)]
        scores[language] = float(f1_score(true, found, zero_division=0))
        print(f"{language}: F1 {scores[language]:.2f} of {sum(tag[0] == 'B' for tags in true for tag in tags)} names")
    return scores


if __name__ == "__main__":
    main()
