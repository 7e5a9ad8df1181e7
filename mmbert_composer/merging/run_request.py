"""Doing what a merge request asks for."""

from dataclasses import dataclass
from pathlib import Path

from mmbert_composer.export.model_source import open_model
from mmbert_composer.merging.finish_run import merge_run
from mmbert_composer.merging.held_out_losses import check_vocabulary, measure_merge
from mmbert_composer.merging.merge_models import Merged, merge_models
from mmbert_composer.merging.merge_request import MergeRequest
from mmbert_composer.merging.run_merge import RunMerge


@dataclass(frozen=True)
class RequestedMerge:
    """What a request came to.

    ``out``: the merge's folder. ``merged``: None if it was there already. ``held_out``: losses by name, empty where
    none were asked for.
    """

    out: Path
    merged: Merged | None
    held_out: dict[str, float]


def run_request(request: MergeRequest) -> RequestedMerge:
    """Merge as asked, and measure the merge."""
    if request.held_out is not None:
        check_vocabulary(open_model(request.run or request.models[0]), request.held_out)
    if request.run is None:
        assert request.out is not None, "a list of models has an output"
        out = request.out
        merged = merge_models(request.models, out, request.method, base=request.base, explain=request.explain)
    else:
        out = request.out or request.run / "merged"
        last = RunMerge.last if request.last is None else request.last
        base = None if request.base is None else str(request.base)
        settings = RunMerge(request.method, last=last, base=base, explain=request.explain)
        merged = merge_run(request.run, settings, out=out)
    losses = {} if request.held_out is None else measure_merge(out, request.held_out, request.run)
    return RequestedMerge(out, merged, losses)
