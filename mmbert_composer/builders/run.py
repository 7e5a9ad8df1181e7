"""A run from start to report."""

import logging
from pathlib import Path

import torch
from composer.utils import dist, get_device

from mmbert_composer.builders.build_trainer import build_trainer
from mmbert_composer.builders.named_parts import NamedParts, build_named_parts
from mmbert_composer.builders.run_folder import check_plan, check_run_folder, ignored_changes
from mmbert_composer.builders.start_point import find_start
from mmbert_composer.callbacks.checkpoint_merging import CheckpointMerging
from mmbert_composer.callbacks.huggingface_export import HuggingFaceExport
from mmbert_composer.callbacks.run_on_rank_zero import run_on_rank_zero
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

log = logging.getLogger("mmbert_composer.run")


def run(config: RunConfig) -> Path:
    """Train, merge, export, report; every rank calls it. Returns the run folder."""
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
    share_cores(dist.get_local_world_size())
    if torch.cuda.is_available():
        give_back_freed_memory()  # all but what the loader frees, which is smaller
    else:
        keep_freed_memory()
    start = find_start(config, folder)
    plan = make_plan(
        config.curriculum,
        stream_sizes(open_data(source)),
        data_seed=start.data_seed,
        cursors=start.cursors,
        shuffle_window=config.data.shuffle_window,
    )
    check_plan(folder, plan, start.own)
    if dist.get_global_rank() == 0:
        for line in [*config.curriculum.rounding(), start.describe()]:
            log.info(line)
        if start.own is None and (folder / "plan.json").exists():
            log.warning("%s holds a run that was stopped before its first checkpoint: starting over", folder)
        for line in ignored_changes(folder, config.raw) if start.own is not None else []:
            log.warning(line)
    if start.own is not None and start.token >= config.curriculum.total_tok:
        run_on_rank_zero(lambda: finish(folder, named), "finish")
    else:
        trainer = build_trainer(config, folder, start, named)
        try:
            if start.kind != "resume":
                trainer.eval()  # where the run starts from, for the report
            trainer.fit()
        finally:
            trainer.close()
    if dist.get_global_rank() == 0:
        log.info("report: %s", build_report(folder))
    return folder


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
