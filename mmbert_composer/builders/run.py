"""A run from start to report."""

import logging
from pathlib import Path
from typing import Any

import torch
from composer.utils import dist, get_device

from mmbert_composer.builders.build_trainer import build_trainer
from mmbert_composer.builders.check_nodes import check_nodes
from mmbert_composer.builders.decide_on_rank_zero import check_all_see, decide_on_rank_zero
from mmbert_composer.builders.named_parts import NamedParts, build_named_parts
from mmbert_composer.builders.past import check_past, describe_past
from mmbert_composer.builders.run_folder import check_plan, check_run_folder
from mmbert_composer.builders.start_point import StartPoint, find_start
from mmbert_composer.callbacks.checkpoint_merging import CheckpointMerging
from mmbert_composer.callbacks.huggingface_export import HuggingFaceExport
from mmbert_composer.callbacks.run_on_rank_zero import run_on_rank_zero
from mmbert_composer.checkpoints.read_checkpoint import read_checkpoint
from mmbert_composer.config import RunConfig
from mmbert_composer.curriculum import make_plan
from mmbert_composer.data.open_data import open_data
from mmbert_composer.data.stream_sizes import stream_sizes
from mmbert_composer.export.export_run import ensure_export
from mmbert_composer.merging.finish_run import merge_run
from mmbert_composer.optim.build_optimizer import check_optimizer
from mmbert_composer.report import build_report
from mmbert_composer.runtime import private_shared_memory, safe_checkpoint_load
from mmbert_composer.runtime.cpu_threads import share_cores
from mmbert_composer.runtime.kept_memory import give_back_freed_memory, keep_freed_memory
from mmbert_composer.runtime.run_lock import RunLock
from mmbert_composer.runtime.stop_signals import StopSignals

log = logging.getLogger("mmbert_composer.run")


def run(config: RunConfig, signals: StopSignals) -> Path:
    """Train, merge, export, report; every rank calls it. Returns the run folder.

    Raises:
        UserError: bad settings or data, before anything is written.
        StoppedError: the run was asked to stop, and can go on.
    """
    assert config.save_folder is not None
    source = config.data.source
    assert source is not None
    folder = Path(config.save_folder)
    check_optimizer(config.optimizer)
    check_run_folder(folder, autoresume=config.autoresume)
    named = build_named_parts(config, folder)
    private_shared_memory.install()
    safe_checkpoint_load.install()
    # Before any dataset: Streaming would start the process group itself, without our timeout.
    dist.initialize_dist(get_device(None), timeout=config.dist_timeout)
    check_nodes()
    share_cores(dist.get_local_world_size())
    if torch.cuda.is_available():
        give_back_freed_memory()  # all but what the loader frees, which is smaller
    else:
        keep_freed_memory()
    lock = RunLock(folder, lambda: signals.received != 0)
    decide_on_rank_zero(lock.acquire)
    try:
        _run_alone(config, folder, named, signals)
    finally:
        lock.release()
    return folder


def _run_alone(config: RunConfig, folder: Path, named: NamedParts, signals: StopSignals) -> None:
    """The run, in a folder that is this run's alone."""
    assert config.data.source is not None
    manifest = open_data(config.data.source)
    past = describe_past(config, manifest)
    start = decide_on_rank_zero(lambda: _find_start(config, folder, past))
    if start.path is not None:
        check_all_see(start.path)
    plan = make_plan(
        config.curriculum,
        stream_sizes(manifest),
        data_seed=start.data_seed,
        cursors=start.cursors,
        shuffle_window=config.data.shuffle_window,
    )
    decide_on_rank_zero(lambda: check_plan(folder, plan, start.own))
    if dist.get_global_rank() == 0:
        for line in [*config.curriculum.rounding(), start.describe()]:
            log.info(line)
        if start.own is None and (folder / "plan.json").exists():
            log.warning("%s holds a run that was stopped before its first checkpoint: starting over", folder)
    if start.own is not None and start.token >= config.curriculum.total_tok:
        run_on_rank_zero(lambda: finish(folder, named), "finish")
    else:
        trainer = build_trainer(config, folder, start, named, signals, past)
        try:
            if start.kind != "resume" or trainer.stop_at_step.evaluation_owed:
                trainer.eval()  # where the run starts from, for the report
            trainer.fit()
        except BaseException:
            trainer.engine.close()  # not trainer.close(): its barrier would wait for ranks that do not come
            raise
        trainer.close()
    if dist.get_global_rank() == 0:
        log.info("report: %s", build_report(folder))


def _find_start(config: RunConfig, folder: Path, past: dict[str, Any]) -> StartPoint:
    """Where the run starts; what it has trained by then is as it was."""
    start = find_start(config, folder)
    if start.kind == "resume":
        assert start.path is not None
        check_past(read_checkpoint(start.path), start.path, past, start.token)
    return start


def finish(folder: Path, named: NamedParts) -> None:
    """Do what a finished run lacks of merge and export; what is there is left alone and said."""
    log.info("the run in %s is finished; nothing to train", folder)
    for callback in named.callbacks.values():
        if isinstance(callback, CheckpointMerging) and callback.at == "fit_end":
            merged = merge_run(folder, callback.settings)
            log.info("merged/ %s", "was there already" if merged is None else "was missing and is written now")
        if isinstance(callback, HuggingFaceExport):
            exported = ensure_export(folder, callback.out)
            log.info("hf/ %s", "was there already" if exported is None else "was missing and is written now")
