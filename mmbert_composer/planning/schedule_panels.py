"""Every scheduled value over tokens: the lower half of a plan's picture."""

from collections.abc import Callable
from typing import cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import SubFigure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from numpy.typing import NDArray

from mmbert_composer.config import RunConfig
from mmbert_composer.curriculum import Curriculum
from mmbert_composer.curriculum.curriculum import ScheduledPhase
from mmbert_composer.curriculum.curve import parse_curve
from mmbert_composer.curriculum.tokens import format_tokens
from mmbert_composer.planning.share_panels import INK, SOURCE_COLORS, phase_color

POINTS = 400
"""Places in a phase at which a curve is drawn."""


def schedule_panels(bottom: SubFigure, config: RunConfig) -> None:
    """A panel for each scheduled value over tokens, phases in their colours."""
    curriculum = config.curriculum
    lr = float(config.optimizer.get("lr", 1.0))
    tempered = [
        source
        for source in dict.fromkeys(source for phase in curriculum.phases for source in phase.mixture)
        if any(parse_curve(p.mixture[source].tau, "tau").low < 1.0 for p in curriculum.phases if source in p.mixture)
    ]
    panels: list[tuple[str, list[tuple[str, Callable[[ScheduledPhase, float], float]]]]] = [
        ("τ", [(source, _tau_of(source)) for source in tempered]),
        ("mask ratio", [("", lambda phase, inside: phase.mask_ratio.at(inside, phase.duration_tok))]),
        ("max_seq_len", [("", lambda phase, inside: float(phase.max_seq_len))]),
        ("batch\n(blocks)", [("", lambda phase, inside: float(phase.batch_size.at(inside, phase.duration_tok)))]),
        ("learning rate", [("", lambda phase, inside: lr * phase.lr.at(inside, phase.duration_tok))]),
    ]
    panels = [panel for panel in panels if panel[1]]
    all_axes = cast("list[Axes]", np.atleast_1d(bottom.subplots(len(panels), 1, sharex=True)).tolist())
    for axes, (label, lines) in zip(all_axes, panels, strict=True):
        ends = {
            float(f"{value(phase, inside):.6g}")
            for _, value in lines
            for phase in curriculum.phases
            for inside in (0, phase.duration_tok - 1)
        }
        _over_tokens(axes, curriculum, lines)
        _value_axis(axes, sorted(end for end in ends if end == end), doubling=label == "max_seq_len")
        axes.set_ylabel(label, rotation=0, ha="right", va="center")
    bottom.align_ylabels(all_axes)
    _token_axis(all_axes, curriculum)


def _value_axis(axes: Axes, ends: list[float], *, doubling: bool) -> None:
    """Ticks at the values that phases begin and end with; ``doubling``: on a logarithmic axis."""
    if doubling:
        axes.set_yscale("log", base=2)
        axes.yaxis.set_minor_locator(NullLocator())
        axes.set_ylim(ends[0] / 2, ends[-1] * 2)
    else:
        axes.set_ylim(0, ends[-1] * 1.18 or 1)
    least = 0.13 * ends[-1]  # nearer ones would be printed over each other
    ticks: list[float] = []
    for end in reversed(ends):
        if not ticks or doubling or ticks[-1] - end >= least:
            ticks.append(end)
    axes.yaxis.set_major_locator(FixedLocator(ticks))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 10 else f"{value:.3g}"))


def _tau_of(source: str) -> Callable[[ScheduledPhase, float], float]:
    def value(phase: ScheduledPhase, inside: float) -> float:
        if source not in phase.mixture:
            return float("nan")
        return parse_curve(phase.mixture[source].tau, "tau").at(inside, phase.duration_tok)

    return value


def _over_tokens(
    axes: Axes, curriculum: Curriculum, lines: list[tuple[str, Callable[[ScheduledPhase, float], float]]]
) -> None:
    widths = 2.0 if len(lines) == 1 else 1.6
    for number, (name, value) in enumerate(lines):
        tokens: list[float] = []
        values: list[float] = []
        for phase in curriculum.phases:
            # Denser where warm-ups and the steep beginning of 1-sqrt are.
            for inside in phase.duration_tok * np.linspace(0.0, 1.0, POINTS) ** 2:
                tokens.append(phase.start_tok + inside)
                values.append(value(phase, min(inside, phase.duration_tok - 1)))
        axes.plot(tokens, values, color=INK if number == 0 else SOURCE_COLORS[number % 8], lw=widths, label=name)
    if len(lines) > 1:
        axes.legend(loc="upper right", fontsize=8, ncols=len(lines))
    for number, phase in enumerate(curriculum.phases):
        color = phase_color(number)
        axes.axvspan(phase.start_tok, phase.end_tok, color=color, alpha=0.13, lw=0)


def _short(tokens: float) -> str:
    """``2.3T`` and not ``2.30T``."""
    text = format_tokens(float(f"{tokens:.3g}"))
    return text if "." not in text else text[:-1].rstrip("0").rstrip(".") + text[-1]


def _token_axis(all_axes: list[Axes], curriculum: Curriculum) -> None:
    """Phases by the square root of their length, so that a decay of a thirtieth of the run can be seen."""
    edges = np.array([0, *(phase.end_tok for phase in curriculum.phases)], np.float64)
    widths = np.sqrt(np.diff(edges))
    drawn = np.concatenate([[0.0], np.cumsum(widths)]) / widths.sum()
    scaled = len(edges) > 2

    def forward(value: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.interp(value, edges, drawn)

    def back(value: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.interp(value, drawn, edges)

    for axes in all_axes:
        if scaled:
            axes.set_xscale("function", functions=(forward, back))
        axes.set_xlim(0, edges[-1])
    last = all_axes[-1]
    longest = int(np.argmax(np.diff(edges)))
    quarters = np.linspace(edges[longest], edges[longest + 1], 5)
    last.xaxis.set_major_locator(FixedLocator(sorted({*edges.tolist(), *quarters.tolist()})))
    last.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))
    last.set_xlabel("tokens (slots)" + ("; phases are as wide as the square root of their length" if scaled else ""))
    for number, phase in enumerate(curriculum.phases):
        middle = back(np.array((drawn[number] + drawn[number + 1]) / 2))
        all_axes[0].annotate(
            phase.name,
            (float(middle), 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, 4),
            textcoords="offset points",
            ha="center",
            color=phase_color(number),
            fontweight="bold",
        )
