"""Plots of how training went, over tokens: loss, accuracy, gradient norm, speed, packing."""

import numpy as np
from matplotlib.ticker import FuncFormatter, PercentFormatter
from numpy.typing import NDArray

from mmbert_composer.report.read_run import RunRecord
from mmbert_composer.report.schedule_plots import MAX_POINTS, SMALL, WIDE
from mmbert_composer.report.stream_rows import step_fill
from mmbert_composer.report.svg_figure import MUTED, new_figure, short_tokens, to_svg, token_axis, wave_color


def smooth(values: NDArray[np.float64], span: int) -> NDArray[np.float64]:
    """Mean over the last ``span`` steps (fewer at the start), gaps (NaN) left out of it."""
    finite = np.isfinite(values)
    sums = np.cumsum(np.where(finite, values, 0.0))
    counts = np.cumsum(finite)
    before = np.maximum(np.arange(len(values)) - span, -1)
    lower_sum = np.where(before >= 0, sums[before], 0.0)
    lower_count = np.where(before >= 0, counts[before], 0)
    with np.errstate(invalid="ignore"):
        return np.where(counts > lower_count, (sums - lower_sum) / np.maximum(counts - lower_count, 1), np.nan)


def training_plots(run: RunRecord) -> dict[str, tuple[str, str, str]]:
    """What the steps measured: id to (title, caption, svg); only what the log has."""
    steps = run.log.steps
    span = max(5, len(run.log.phases) // 60)
    mean = f"The line is the mean of {span} steps, the dots are single ones."
    rows = {
        "training-loss": (
            steps["loss"],
            "Training loss",
            f"Nats a masked token, at the mask ratio of the moment. {mean}",
        ),
        "masked-accuracy": (steps["masked_accuracy"], "Masked accuracy", "Share of the masked tokens guessed right."),
        "grad-norm": (steps["grad_norm"], "Gradient norm", "Over all parameters, before the optimizer's step."),
        "speed": (
            steps["tokens_per_second"],
            "Tokens a second",
            "Over all ranks, padding included, evaluations left out.",
        ),
        "packing": (step_fill(run), "Packing", "Part of the trained slots that held real tokens."),
        "sequence": (
            steps["packing/mean_seq_len"],
            "Mean sequence",
            "Tokens in a sequence as trained on: packed documents, after cuts.",
        ),
    }
    return {
        f"plot-{key}": (title, caption, _training_plot(run, key, values, span, title))
        for key, (values, title, caption) in rows.items()
        if np.isfinite(values).any()
    }


def _training_plot(run: RunRecord, key: str, values: NDArray[np.float64], span: int, title: str) -> str:
    figure, axes = new_figure(*(WIDE if key == "training-loss" else SMALL))
    token = run.log.steps["token"]
    every = max(1, len(values) // MAX_POINTS)
    axes.plot(token[::every], values[::every], ".", color=MUTED, ms=3.2, alpha=0.5, mec="none")
    for phase in run.phases:
        inside = (token >= phase.start_tok) & (token < phase.end_tok)
        smoothed = smooth(values[inside], span)
        axes.plot(token[inside][::every], smoothed[::every], color=wave_color(run, phase.wave), lw=2)
    low, high = np.quantile(values[np.isfinite(values)], [0.002, 0.998])
    if key in ("speed", "masked-accuracy", "sequence", "grad-norm"):
        axes.set_ylim(0.0, high * 1.08 or 1.0)
    elif key == "packing":
        axes.set_ylim(min(0.9, low - 0.02), 1.005)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    else:
        margin = 0.06 * (high - low) or 0.05 * abs(high) or 1.0
        axes.set_ylim(low - margin, high + margin)
    if key == "speed":
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: short_tokens(value)))
    if key == "masked-accuracy":
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    token_axis(axes, run)
    return to_svg(figure, title)
