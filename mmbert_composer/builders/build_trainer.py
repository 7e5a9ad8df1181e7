"""From settings to a Composer Trainer, ready to fit."""

import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from composer import Evaluator
from composer.core import Callback, Event, State
from composer.utils import create_interval_scheduler, dist
from omegaconf import OmegaConf

from mmbert_composer.builders.load_weights import (
    check_weights,
    group_options,
    keep_weights_and_optimizer,
    load_weights,
    restore_options,
)
from mmbert_composer.builders.micro_batch import micro_batch_size
from mmbert_composer.builders.named_parts import NamedParts
from mmbert_composer.builders.past import PastRecord
from mmbert_composer.builders.run_folder import write_run_folder
from mmbert_composer.builders.start_point import StartPoint
from mmbert_composer.callbacks.checkpoint_merging import CheckpointMerging
from mmbert_composer.callbacks.metrics_log import MetricsLog
from mmbert_composer.checkpoints.run_checkpoint_saver import RunCheckpointSaver
from mmbert_composer.config import RunConfig
from mmbert_composer.curriculum import Curriculum
from mmbert_composer.data.annealed_dataset import AnnealedDataset
from mmbert_composer.data.annealed_loader import AnnealedLoader
from mmbert_composer.data.held_out_loader import HeldOutLoader
from mmbert_composer.errors import UserError
from mmbert_composer.models.attention.packed_attention import check_backend
from mmbert_composer.models.modernbert_config import RUN_KEYS, build_config
from mmbert_composer.models.modernbert_mlm import ModernBertMLM
from mmbert_composer.optim.build_optimizer import build_optimizer
from mmbert_composer.runtime.close_segment import close_segment
from mmbert_composer.runtime.fixed_buckets import keep_buckets
from mmbert_composer.runtime.quiet_worker import quiet_worker
from mmbert_composer.runtime.restore_rng import RestoreRng
from mmbert_composer.runtime.stop_at_step import StopAtStep, StoppableTrainer
from mmbert_composer.runtime.stop_signals import StopSignals
from mmbert_composer.runtime.stuck_rank import StuckRank

log = logging.getLogger(__name__)

_DTYPES = {"fp32": torch.float32, "amp_bf16": torch.bfloat16, "amp_fp16": torch.float16}


def build_trainer(
    config: RunConfig,
    folder: Path,
    start: StartPoint,
    named: NamedParts,
    signals: StopSignals,
    past: Mapping[str, Any],
) -> StoppableTrainer:
    """Data, model, optimizer and Trainer of a run, around what its settings name; writes the run folder's descriptions.

    Raises:
        UserError: before anything is written.
    """
    micro_batch = micro_batch_size(config.curriculum, dist.get_world_size(), config.device_train_microbatch_size)
    source = config.data.source
    assert source is not None
    dataset = AnnealedDataset(
        source,
        config.curriculum,
        seed=start.data_seed,
        batch_size=micro_batch,
        cursors=start.cursors,
        shuffle_window=config.data.shuffle_window,
    )
    loader = AnnealedLoader(
        dataset,
        global_batch_size=config.curriculum.at(0).batch_size,
        mask_seed=config.seed,
        num_workers=config.data.num_workers,
    )
    loader.worker_init_fn = quiet_worker
    held_out = HeldOutLoader(
        source,
        _held_out_streams(config, dataset),
        batch_size=config.device_eval_batch_size or micro_batch,
        blocks_per_stream=config.data.held_out_blocks,
        max_seq_len=config.data.held_out_max_seq_len,
    )
    model = build_model(config, dataset, held_out.streams)
    optimizer = build_optimizer(model, config.optimizer)
    if start.path is not None:
        check_weights(model, start.path, dataset.manifest.root / "tokenizer")
    if start.kind == "weights":
        assert start.path is not None
        load_weights(model, start.path)
    # On a resume that of the last step: an evaluation that a stopped run owes was due after it.
    theta = config.curriculum.at(0 if start.kind != "resume" else max(0, start.token - 1)).rope_theta
    model.set_rope_theta(theta.global_theta, theta.local_theta)
    options = group_options(optimizer)
    dist.barrier()  # every rank has passed its checks before the first file is written
    if dist.get_global_rank() == 0:
        tokenizer = dataset.manifest.root / "tokenizer"
        write_run_folder(folder, _resolved(config, folder, start), dataset.plan, model.config.to_dict(), tokenizer)
    bar = config.progress_bar and sys.stderr.isatty()  # in a file it would be a megabyte of itself
    saver = _saver(config, folder, named.callbacks)
    stop = StopAtStep(signals, saver)
    saver.asked_to_stop = lambda: stop.agreed != 0
    trainer = StoppableTrainer(
        model=model,
        train_dataloader=loader.data_spec(),
        eval_dataloader=Evaluator(
            label="held_out",
            dataloader=held_out.data_spec(),
            metric_names=["HeldOutLoss", "HeldOutAccuracy"],
            eval_interval=_eval_interval(config.curriculum, config.eval_interval),
        ),
        optimizers=optimizer,
        schedulers=named.scheduler,
        max_duration=f"{config.curriculum.total_tok}tok",
        callbacks=[*named.callbacks.values(), PastRecord(past), saver, stop, StuckRank(config.dist_timeout)],
        loggers=[
            MetricsLog(folder, config.curriculum, line_every=None if bar else config.console_log_interval),
            *named.loggers,
        ],
        algorithms=named.algorithms,
        run_name=config.run_name or folder.name,
        seed=config.seed,
        precision=config.precision if torch.cuda.is_available() else "fp32",  # on a CPU the model sees to it itself
        deterministic_mode=config.deterministic_mode,
        device_train_microbatch_size=micro_batch,
        accumulate_train_batch_on_tokens=True,
        dist_timeout=config.dist_timeout,
        progress_bar=bar,
        log_to_console=config.log_to_console,
        console_log_interval=config.console_log_interval,
        load_path=str(start.path) if start.kind in ("resume", "continue") else None,
        load_ignore_keys=keep_weights_and_optimizer if start.kind == "continue" else None,
        load_progress_bar=False,
    )
    trainer.stop_at_step = stop
    keep_buckets(trainer.state.model)
    if start.kind == "continue":
        restore_options(optimizer, options, config.optimizer["lr"], trainer.state.schedulers)
    if start.kind == "resume":
        close_segment(trainer, dataset)
        trainer.state.callbacks.append(RestoreRng(trainer))
    return trainer


def build_model(config: RunConfig, dataset: AnnealedDataset, held_out_streams: list[str]) -> ModernBertMLM:
    """The model of a run: its settings, with vocabulary and special ids from the data's tokenizer."""
    manifest = dataset.manifest
    longest = max(phase.max_seq_len for phase in config.curriculum.phases)
    hf_config = build_config(config.model, manifest.vocab_size, manifest.special_ids, longest)
    how = {key: config.model[key] for key in RUN_KEYS if key in config.model}
    dtype, device = _DTYPES[config.precision], torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device.type == "cpu" and dtype == torch.float16:
        raise UserError("precision=amp_fp16 needs a GPU, and there is none here: set it to fp32 or amp_bf16")
    if "attention" in how:  # said now, not in the first step
        check_backend(how["attention"], hf_config.hidden_size // hf_config.num_attention_heads, dtype, device)
    if device.type == "cpu" and dtype != torch.float32:
        how["autocast"] = dtype
    return ModernBertMLM(hf_config, held_out_streams=held_out_streams, init_seed=config.seed, **how)


def _eval_interval(curriculum: Curriculum, interval: str | None) -> Any:
    phase_ends = {phase.end_tok for phase in curriculum.phases}
    at_interval = create_interval_scheduler(interval or f"{curriculum.total_tok}tok", checkpoint_events=False)

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


def _held_out_streams(config: RunConfig, dataset: AnnealedDataset) -> list[str]:
    """Streams that the run draws from, or all that the data has."""
    if config.data.held_out_streams == "all":
        return list(dataset.manifest.streams)
    drawn = dataset.plan.blocks.sum(axis=0) > 0
    return [name for name, is_drawn in zip(dataset.plan.streams, drawn, strict=True) if is_drawn]


def _resolved(config: RunConfig, folder: Path, start: StartPoint) -> dict[str, Any]:
    """config.yaml: what the run used, with the data's seed, the languages of files and the checkpoint it began with."""
    raw = dict(config.raw)
    raw["data"] = {**raw["data"], "seed": start.data_seed}
    raw["curriculum"] = {**raw["curriculum"], "phases": config.phases}
    if start.own is not None:  # a restart: what the run began with stays on record
        before = OmegaConf.to_container(OmegaConf.load(folder / "config.yaml"))
        raw["load_path"] = before.get("load_path") if isinstance(before, dict) else None
    elif start.path is not None:
        raw["load_path"] = str(start.path)
    return raw
