"""Plots of what the curriculum scheduled, over tokens."""

from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator
from numpy.typing import NDArray

from mmbert_composer.report.read_run import RunRecord
from mmbert_composer.report.svg_figure import INK, new_figure, short_tokens, to_svg, token_axis

SMALL = (3.9, 2.1)
WIDE = (11.6, 3.7)
MAX_POINTS = 2_500


def _changes(token: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Steps to draw: at most 2,500 evenly spread ones, and both sides of every jump of a step function."""
    keep = np.zeros(len(values), bool)
    keep[:: max(1, len(values) // MAX_POINTS)] = True
    keep[[0, -1]] = True
    jump = np.flatnonzero(np.diff(values) != 0)
    if len(jump) < MAX_POINTS:
        keep[jump] = keep[jump + 1] = True
    return np.flatnonzero(keep & np.isfinite(values) & np.isfinite(token))


def _log_axis(axes: Axes, base: int, label: Callable[[float], str]) -> None:
    axes.set_yscale("log", base=base)
    axes.yaxis.set_major_locator(LogLocator(base, numticks=6))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: label(value)))


def _values_as_ticks(axes: Axes, values: NDArray[np.float64], label: Callable[[float], str]) -> None:
    """A log axis whose ticks are the few values that occur."""
    distinct = np.unique(values[np.isfinite(values)])
    _log_axis(axes, 2, label)
    if 1 <= len(distinct) <= 6:
        axes.set_yticks(distinct.tolist())
        axes.set_ylim(distinct[0] / 1.6, distinct[-1] * 1.6)


def schedule_plots(run: RunRecord) -> dict[str, tuple[str, str, str]]:
    """The scheduled quantities, each a small plot: id to (title, caption, svg); only those in the log."""
    names = {
        "mask-ratio": (["mask_ratio"], "Mask ratio", "Part of the tokens that are hidden and predicted."),
        "tau": (
            [name for name in run.log.steps if name.startswith("tau/")],
            "Temperature τ",
            "A language of n tokens is drawn in proportion to n to the power τ: 1 keeps corpus shares, 0 is uniform.",
        ),
        "sequence-length": (["max_seq_len"], "Sequence length", "Longest sequence the model sees, in tokens."),
        "rope-theta": (
            ["rope_theta/global", "rope_theta/local"],
            "RoPE θ",
            "Base of the rotary position embedding.",
        ),
        "learning-rate": (["lr"], "Learning rate", "As the optimizer used it."),
        "batch-size": (["batch_size"], "Batch size", f"Blocks of {run.block_size:,} tokens a step, over all ranks."),
    }
    plots = {}
    for plot_id, (columns, title, caption) in names.items():
        columns = [name for name in columns if run.log.has(name)]
        if columns:
            plots[f"plot-{plot_id}"] = (title, caption, _schedule_plot(run, columns, title))
    return plots


def _schedule_plot(run: RunRecord, columns: list[str], title: str) -> str:
    figure, axes = new_figure(*SMALL)
    steps = run.log.steps
    groups: dict[bytes, list[str]] = {}
    for column in columns:
        groups.setdefault(steps[column].tobytes(), []).append(column)
    for index, group in enumerate(groups.values()):
        values = steps[group[0]]
        shown = _changes(steps["token"], values)
        style = ["-", (0, (4, 2)), (0, (1, 1.5)), (0, (5, 1.5, 1, 1.5))][index % 4]
        name = ", ".join(part.split("/")[-1] for part in group)
        label = name if len(name) < 40 else f"{name[:38]}…"
        draw = "default" if columns == ["lr"] else "steps-post"
        token = np.append(steps["token"][shown], run.reached_tok)
        axes.plot(token, values[[*shown, shown[-1]]], drawstyle=draw, color=INK, lw=1.5, ls=style, label=label)
    both = np.concatenate([steps[column] for column in columns])
    if columns == ["max_seq_len"]:
        _values_as_ticks(axes, both, lambda value: f"{value:,.0f}")
    elif columns[0].startswith("rope_theta"):
        _values_as_ticks(axes, both, short_tokens)
    else:
        axes.set_ylim(0, max(float(np.nanmax(both)) * 1.12, 1e-12))
        if columns == ["lr"]:
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.2g}"))
    if len(groups) > 1:
        axes.legend(loc="best")
    token_axis(axes, run)
    return to_svg(figure, title)
