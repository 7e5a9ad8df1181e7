"""The one fine-tuning loop: transformers' Trainer, AdamW, linear decay, the last weights; an early stop by rows."""

import tempfile
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmbert_composer.errors import UserError
from mmbert_composer.evaluation.collate import collate
from mmbert_composer.evaluation.heads.head import Feature, Head
from mmbert_composer.evaluation.one_process import one_process
from mmbert_composer.evaluation.settings import Settings
from mmbert_composer.evaluation.task import Hyperparameters

SAY_EVERY_SECONDS = 20


def fine_tune(
    model: Any,
    head: Head,
    train: Sequence[Feature],
    dev: Sequence[Feature],
    pad_id: int,
    hyperparameters: Hyperparameters,
    settings: Settings,
    seed: int,
    what: str,
) -> int:
    """Tune ``model`` in place; the number of steps. ``dev`` is looked at where ``eval_every`` says so.

    ``what`` begins the lines of progress.
    """
    transformers = _transformers()
    with one_process(), tempfile.TemporaryDirectory(prefix="mmbert-eval-") as folder:
        arguments = _arguments(transformers, Path(folder), hyperparameters, settings, seed)
        callbacks = [_progress(transformers, settings, what)]
        if hyperparameters.patience is not None:
            callbacks.append(transformers.EarlyStoppingCallback(hyperparameters.patience))
        trainer = transformers.Trainer(
            model=model,
            args=arguments,
            train_dataset=_Features(train),
            eval_dataset=_Features(dev) if hyperparameters.eval_every else None,
            data_collator=lambda features: collate(head, features, pad_id),
            callbacks=callbacks,
        )
        trainer.remove_callback(transformers.PrinterCallback)
        with warnings.catch_warnings():
            # Of several kept checkpoints the newest is asked for; there is one.
            warnings.filterwarnings("ignore", message="mtime may not be reliable", category=UserWarning)
            trainer.train()
        return trainer.state.global_step


def _arguments(transformers: Any, folder: Path, values: Hyperparameters, settings: Settings, seed: int) -> Any:
    cpu = settings.device == "cpu"
    early = {}
    if values.eval_every:
        early = {
            "eval_strategy": "steps",
            "eval_steps": values.eval_every,
            "save_strategy": "steps",
            "save_steps": values.eval_every,
            "save_total_limit": 1,
            "save_only_model": True,
            "load_best_model_at_end": True,
            "metric_for_best_model": "loss",
        }
    arguments = transformers.TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=values.batch_size,
        per_device_eval_batch_size=values.batch_size,
        learning_rate=values.lr,
        num_train_epochs=values.epochs,
        max_steps=values.max_steps or -1,
        warmup_ratio=0.0 if values.warmup_steps else values.warmup_ratio,
        warmup_steps=values.warmup_steps or 0,
        weight_decay=values.weight_decay,
        lr_scheduler_type="linear",
        optim="adamw_torch",
        seed=seed,
        bf16=settings.precision == "bf16",
        use_cpu=cpu,
        dataloader_pin_memory=not cpu,
        remove_unused_columns=False,
        logging_strategy="no",
        disable_tqdm=True,
        report_to=[],
        **({"save_strategy": "no"} | early),
    )
    # One device, whatever the machine has: the batch size is the protocol's.
    _ = arguments.device
    arguments._n_gpu = min(1, arguments._n_gpu)
    return arguments


class _Features:
    """Features as a dataset that torch's loader can draw from."""

    def __init__(self, features: Sequence[Feature]) -> None:
        self._features = features

    def __len__(self) -> int:
        return len(self._features)

    def __getitem__(self, index: int) -> Feature:
        return self._features[index]


def _progress(transformers: Any, settings: Settings, what: str) -> Any:
    class Progress(transformers.TrainerCallback):
        """A line now and then: steps, and how long it may still take."""

        def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            self.begun = self.told = time.monotonic()

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            now = time.monotonic()
            if now - self.told < SAY_EVERY_SECONDS:
                return
            self.told = now
            left = (now - self.begun) / state.global_step * (state.max_steps - state.global_step)
            settings.say(f"  {what}: step {state.global_step} of {state.max_steps}, {left / 60:.1f} minutes to go")

    return Progress()


def _transformers() -> Any:
    try:
        import accelerate  # noqa: F401 - the Trainer needs it
    except ImportError:
        raise UserError("fine-tuning needs the accelerate package: pip install 'mmbert-composer[eval]'") from None
    import transformers

    return transformers
