"""The retrieval stage: contrastive tuning on MS MARCO triplets with sentence-transformers."""

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from transformers import AutoConfig, PrinterCallback, set_seed

from mmbert_composer.data.atomic_write import publish_tree
from mmbert_composer.evaluation.one_process import one_process
from mmbert_composer.evaluation.retrieval.packages import load_sentence_transformers
from mmbert_composer.evaluation.retrieval.triplets import split_triplets
from mmbert_composer.evaluation.settings import Settings
from mmbert_composer.evaluation.task import Hyperparameters

SCALE = 20.0
"""Inverse temperature of the similarities."""
MINI_BATCH = 256
"""Texts in memory at once; the loss is over the whole batch all the same (GradCache)."""
STAGE = "stage.json"


def load_embedder(folder: Path, settings: Settings, max_length: int) -> Any:
    """A SentenceTransformer of an encoder's folder: mean pooling where the folder does not say otherwise."""
    config = AutoConfig.from_pretrained(folder, trust_remote_code=settings.trust_remote_code)
    modernbert = config.model_type == "modernbert"
    model = load_sentence_transformers().SentenceTransformer(
        str(folder),
        device=settings.device,
        trust_remote_code=settings.trust_remote_code,
        # Shapes change from batch to batch, and flash attention has no fp32.
        config_kwargs={"reference_compile": False} if modernbert else None,
        model_kwargs={"attn_implementation": "sdpa"} if modernbert else None,
    )
    model.max_seq_length = max_length
    return model


def train_embedder(model: Path, rows: Any, values: Hyperparameters, settings: Settings, seed: int, out: Path) -> None:
    """Tune the encoder in folder ``model`` on triplets and write it as a sentence-transformers folder ``out``.

    ``stage.json`` in it has the share of held-out triplets whose positive is nearer, before and after.
    """
    library = load_sentence_transformers()
    from sentence_transformers.sentence_transformer.evaluation import TripletEvaluator
    from sentence_transformers.sentence_transformer.losses import CachedMultipleNegativesRankingLoss
    from sentence_transformers.sentence_transformer.training_args import BatchSamplers

    set_seed(seed)
    embedder = load_embedder(model, settings, values.max_length)
    train, held_out = split_triplets(rows, settings.max_train_examples)
    evaluator = TripletEvaluator(*(held_out[column] for column in held_out.column_names), batch_size=64)
    before = _accuracy(evaluator(embedder))
    settings.say(f"  retrieval stage, lr {values.lr:g}: {len(train)} triplets; held-out triplets {before:.1f} % right")
    cpu = settings.device == "cpu"
    with one_process(), tempfile.TemporaryDirectory(prefix="mmbert-embed-") as folder:
        arguments = library.SentenceTransformerTrainingArguments(
            output_dir=folder,
            num_train_epochs=values.epochs,
            per_device_train_batch_size=values.batch_size,
            learning_rate=values.lr,
            warmup_ratio=values.warmup_ratio,
            batch_sampler=BatchSamplers.NO_DUPLICATES,
            bf16=settings.precision == "bf16",
            use_cpu=cpu,
            dataloader_pin_memory=not cpu,
            seed=seed,
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
            report_to=[],
        )
        loss = CachedMultipleNegativesRankingLoss(
            embedder, scale=SCALE, mini_batch_size=min(MINI_BATCH, values.batch_size)
        )
        trainer = library.SentenceTransformerTrainer(model=embedder, args=arguments, train_dataset=train, loss=loss)
        trainer.remove_callback(PrinterCallback)
        trainer.train()
        steps = trainer.state.global_step
    after = _accuracy(evaluator(embedder))
    settings.say(f"  retrieval stage: {steps} steps; held-out triplets {after:.1f} % right")
    temporary = out.with_name(f".{out.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    embedder.save_pretrained(str(temporary), create_model_card=False)
    (temporary / STAGE).write_text(json.dumps({"steps": steps, "triplets_before": before, "triplets_after": after}))
    publish_tree(temporary, out)


def _accuracy(scores: dict[str, float]) -> float:
    return 100 * next(value for name, value in scores.items() if name.endswith("cosine_accuracy"))
