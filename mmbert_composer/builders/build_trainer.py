"""From settings to a Composer Trainer, ready to fit."""

import logging
from pathlib import Path
from typing import Any

import torch
from composer import Evaluator, Trainer
from composer.core import Callback, Event, State
from composer.utils import create_interval_scheduler, dist

from mmbert_composer import registry
from mmbert_composer.builders.build_callbacks import build_callbacks
from mmbert_composer.builders.micro_batch import micro_batch_size
from mmbert_composer.builders.run_folder import check_plan, write_run_folder
from mmbert_composer.builders.start_point import StartPoint
from mmbert_composer.callbacks.checkpoint_merging import CheckpointMerging
from mmbert_composer.callbacks.learning_rate import LearningRate
from mmbert_composer.callbacks.metrics_log import MetricsLog
from mmbert_composer.checkpoints.model_weights import model_weights
from mmbert_composer.checkpoints.run_checkpoint_saver import RunCheckpointSaver
from mmbert_composer.config import RunConfig
from mmbert_composer.curriculum import Curriculum
from mmbert_composer.data.annealed_dataset import AnnealedDataset
from mmbert_composer.data.annealed_loader import AnnealedLoader
from mmbert_composer.data.held_out_loader import HeldOutLoader
from mmbert_composer.errors import UserError
from mmbert_composer.models.modernbert_config import build_config
from mmbert_composer.models.modernbert_mlm import ModernBertMLM
from mmbert_composer.optim.build_optimizer import build_optimizer
from mmbert_composer.optim.reset_base_lr import reset_base_lr
from mmbert_composer.optim.token_schedule import TokenSchedule

log = logging.getLogger(__name__)


def build_trainer(config: RunConfig, folder: Path, start: StartPoint) -> Trainer:
    """Data, model, optimizer, callbacks and Trainer of a run; writes the run folder's descriptions.

    Raises:
        UserError: before anything is written.
    """
    micro_batch = micro_batch_size(config.curriculum, dist.get_world_size(), config.device_train_microbatch_size)
    assert config.data.root is not None
    dataset = AnnealedDataset(
        config.data.root, config.curriculum, seed=start.data_seed, batch_size=micro_batch, cursors=start.cursors
    )
    check_plan(folder, dataset.plan, start.own)
    loader = AnnealedLoader(
        dataset,
        global_batch_size=config.curriculum.at(0).batch_size,
        mask_seed=config.seed,
        num_workers=config.data.num_workers,
    )
    held_out = HeldOutLoader(
        config.data.root,
        list(dataset.plan.streams if config.data.held_out_streams == "plan" else dataset.manifest.streams),
        batch_size=config.device_eval_batch_size or micro_batch,
        blocks_per_stream=config.data.held_out_blocks,
        max_seq_len=config.data.held_out_max_seq_len,
    )
    model = build_model(config, dataset, held_out.streams)
    optimizer = build_optimizer(model, config.optimizer)
    if start.kind == "weights":
        load_weights(model, start)
    callbacks = build_callbacks(config, folder)
    scheduler = None
    if config.scheduler:
        options = {key: value for key, value in config.scheduler.items() if key != "name"}
        scheduler = registry.build("schedulers", str(config.scheduler.get("name")), options)
        if isinstance(scheduler, TokenSchedule):  # exact at the step's first token, where Composer lags by a step
            callbacks["learning_rate"], scheduler = LearningRate(scheduler.multiplier), None
    dist.barrier()  # every rank has passed its checks before the first file is written
    if dist.get_global_rank() == 0:
        tokenizer = dataset.manifest.root / "tokenizer"
        write_run_folder(folder, _resolved(config, start), dataset.plan, model.config.to_dict(), tokenizer)
    trainer = Trainer(
        model=model,
        train_dataloader=loader.data_spec(),
        eval_dataloader=Evaluator(
            label="held_out",
            dataloader=held_out.data_spec(),
            metric_names=["HeldOutLoss", "HeldOutAccuracy"],
            eval_interval=_eval_interval(config.curriculum, config.eval_interval),
        ),
        optimizers=optimizer,
        schedulers=scheduler,
        max_duration=f"{config.curriculum.total_tok}tok",
        callbacks=[*callbacks.values(), _saver(config, folder, callbacks)],
        loggers=[MetricsLog(folder, config.curriculum), *_named(config, "loggers")],
        algorithms=_named(config, "algorithms"),
        run_name=config.run_name or folder.name,
        seed=config.seed,
        precision=config.precision,
        device_train_microbatch_size=micro_batch,
        accumulate_train_batch_on_tokens=True,
        dist_timeout=config.dist_timeout,
        progress_bar=config.progress_bar,
        log_to_console=config.log_to_console,
        console_log_interval=config.console_log_interval,
        load_path=str(start.path) if start.kind in ("resume", "continue") else None,
        load_ignore_keys=keep_weights_and_optimizer if start.kind == "continue" else None,
        load_progress_bar=False,
    )
    if start.kind == "continue":
        reset_base_lr(optimizer, config.optimizer["lr"], trainer.state.schedulers)
    return trainer


def keep_weights_and_optimizer(checkpoint: dict[str, Any]) -> None:
    """What ``load_as: continue`` takes from a checkpoint, by removing the rest (Composer's load_ignore_keys)."""
    checkpoint.pop("rng", None)
    for key in set(checkpoint["state"]) - {"model", "optimizers", "metadata", "integrations"}:
        del checkpoint["state"][key]


def build_model(config: RunConfig, dataset: AnnealedDataset, held_out_streams: list[str]) -> ModernBertMLM:
    """The model of a run: its settings, with vocabulary and special ids from the data's tokenizer."""
    manifest = dataset.manifest
    longest = max(phase.max_seq_len for phase in config.curriculum.phases)
    hf_config = build_config(config.model, manifest.vocab_size, manifest.special_ids, longest)
    how = {key: config.model[key] for key in ("attention", "compile") if key in config.model}
    return ModernBertMLM(hf_config, held_out_streams=held_out_streams, init_seed=config.seed, **how)


def load_weights(model: ModernBertMLM, start: StartPoint) -> None:
    """Take the weights of a checkpoint or of a Hugging Face folder, strictly."""
    assert start.path is not None
    weights = model_weights(start.path)
    own = model.model.state_dict()
    wrong = sorted(
        f"{name} {tuple(weights[name].shape)} there, {tuple(own[name].shape)} here"
        for name in weights.keys() & own.keys()
        if weights[name].shape != own[name].shape
    )
    wrong += sorted(f"{name} only there" for name in weights.keys() - own.keys())
    wrong += sorted(f"{name} only here" for name in own.keys() - weights.keys() if name != "decoder.weight")
    if wrong:
        raise UserError(f"load_path {start.path}: its weights do not fit model: {'; '.join(wrong[:5])}")
    with torch.no_grad():
        for name, value in weights.items():
            own[name].copy_(value)


def _eval_interval(curriculum: Curriculum, interval: str | None) -> Any:
    phase_ends = {phase.end_tok for phase in curriculum.phases}
    at_interval = create_interval_scheduler(
        (interval or f"{curriculum.total_tok}tok").replace("_", ""), checkpoint_events=False
    )

    def is_due(state: State, event: Event) -> bool:
        return event == Event.BATCH_END and (
            state.timestamp.token.value in phase_ends or (interval is not None and at_interval(state, event))
        )

    return is_due


def _saver(config: RunConfig, folder: Path, callbacks: dict[str, Callback]) -> RunCheckpointSaver:
    merging = callbacks.get("checkpoint_merging")
    return RunCheckpointSaver(
        folder / "checkpoints",
        config.curriculum,
        interval=config.save_interval,
        num_checkpoints_to_keep=config.save_num_checkpoints_to_keep,
        pins=merging.pins if isinstance(merging, CheckpointMerging) else None,
    )


def _named(config: RunConfig, kind: str) -> list[Any]:
    return [registry.build(kind, name, options) for name, options in getattr(config, kind).items()]


def _resolved(config: RunConfig, start: StartPoint) -> dict[str, Any]:
    """config.yaml: what the run used, defaults of the data's seed and files of languages included."""
    raw = dict(config.raw)
    raw["data"] = {**raw["data"], "seed": start.data_seed}
    raw["curriculum"] = {**raw["curriculum"], "phases": config.phases}
    return raw
