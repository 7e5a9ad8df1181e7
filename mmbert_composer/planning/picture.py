"""A run as a picture before it runs: whom each phase samples how often, and every scheduled value over tokens."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator
from numpy.typing import NDArray

from mmbert_composer.config import RunConfig
from mmbert_composer.curriculum import Curriculum
from mmbert_composer.curriculum.curriculum import ScheduledPhase
from mmbert_composer.curriculum.curve import parse_curve
from mmbert_composer.curriculum.tokens import format_tokens
from mmbert_composer.errors import UserError
from mmbert_composer.planning.run_plan import PhasePlan, RunPlan

PHASE_COLORS = ("#4477AA", "#EE8866", "#228833", "#AA3377", "#BBCC33", "#66CCEE")
SOURCE_COLORS = ("#4477AA", "#EE8866", "#BBCC33", "#77AADD", "#FFAABB", "#44BB99", "#EEDD88", "#AA4499")
OTHERS = "#BBBBBB"
INK, MUTED = "#222222", "#666666"
POINTS = 400
"""Places in a phase at which a curve is drawn."""

STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.edgecolor": "#999999",
    "axes.labelcolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E5E5E5",
    "grid.linewidth": 0.6,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "legend.frameon": False,
}


def draw_plan(config: RunConfig, plan: RunPlan, path: Path) -> None:
    """Write the picture to ``path``, in the form that its ending names.

    Above: the share of every language by phase (figure 1 of arXiv:2509.06888), where languages are counted, and of
    every source. Below, over tokens: tau, mask ratio, longest sequence, batch and learning rate.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(12, 11), layout="constrained")
        figure.suptitle(
            f"{config.run_name or 'a run'}: {format_tokens(plan.total_tokens)} tokens in {plan.steps:,} steps",
            x=0.01,
            ha="left",
            fontsize=13,
            fontweight="bold",
        )
        top, bottom = cast("NDArray[Any]", figure.subfigures(2, 1, height_ratios=(0.85, 1.0))).tolist()
        if any(_shares(phase).size for phase in plan.phases):
            left, right = top.subplots(1, 2, width_ratios=(1.25, 1.0))
            _languages(left, config.curriculum, plan)
            _sources(right, plan)
        else:
            _sources(top.subplots(), plan)
        _schedules(bottom, config)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            figure.savefig(path, dpi=140)
        except (OSError, ValueError) as error:  # a folder that cannot be written, an ending that is no picture's
            raise UserError(f"--picture {path} cannot be written: {error}") from error


def _shares(phase: PhasePlan) -> NDArray[np.float64]:
    """Share of each counted language in all that is counted, the largest first."""
    blocks: dict[str, int] = {}
    for source in phase.sources.values():
        for name, (count, _) in source.streams.items():
            language = name.split("/", 1)[1]
            blocks[language] = blocks.get(language, 0) + count
    counts = np.array(sorted((count for count in blocks.values() if count), reverse=True), np.float64)
    return counts / counts.sum() if counts.size else counts


def _languages(axes: Axes, curriculum: Curriculum, plan: RunPlan) -> None:
    for number, (phase, placed) in enumerate(zip(plan.phases, curriculum.phases, strict=True)):
        shares = _shares(phase)
        taus = sorted({_tau_text(placed, source) for source, row in phase.sources.items() if len(row.streams) > 1})
        label = f"{phase.name}: {len(shares):,} languages" + (f", τ {', '.join(taus)}" if taus else "")
        color = PHASE_COLORS[number % len(PHASE_COLORS)]
        axes.plot(np.arange(1, len(shares) + 1), shares, color=color, label=label, lw=2)
        if shares.size:
            axes.plot([len(shares)], [shares[-1]], "o", color=color, ms=5)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.4g} %"))
    low, high = axes.get_ylim()
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high / low < 1000 else (1,), numticks=12))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("languages of each phase, the most sampled first")
    axes.set_title("Share of each language" + (" in the sources that are counted" if plan.uncounted else ""))
    axes.legend(loc="lower left")


def _tau_text(phase: ScheduledPhase, source: str) -> str:
    curve = parse_curve(phase.mixture[source].tau, "tau")
    return f"{curve.start:g}" if curve.is_constant else f"{curve.start:g} to {curve.end:g}"


def _sources(axes: Axes, plan: RunPlan) -> None:
    """Stacked bars, a phase a bar; the smallest sources as one."""
    total: dict[str, float] = {}
    for phase in plan.phases:
        for name, source in phase.sources.items():
            total[name] = total.get(name, 0.0) + source.share
    named = sorted(total, key=lambda name: -total[name])
    shown = named if len(named) <= len(SOURCE_COLORS) else named[: len(SOURCE_COLORS)]
    places = np.arange(len(plan.phases))
    base = np.zeros(len(plan.phases))
    rows = [(name, [name], SOURCE_COLORS[number]) for number, name in enumerate(shown)]
    if rest := [name for name in named if name not in shown]:
        rows.append((f"{len(rest)} more", rest, OTHERS))
    for label, names, color in rows:
        heights = np.array([sum(p.sources[name].share for name in names if name in p.sources) for p in plan.phases])
        axes.bar(places, heights, 0.6, bottom=base, color=color, label=label, edgecolor="white", linewidth=0.6)
        for place, height, start in zip(places, heights, base, strict=True):
            if height >= 0.04:
                ink = "white" if color == SOURCE_COLORS[0] else INK
                axes.text(place, start + height / 2, f"{height:.0%}", ha="center", va="center", fontsize=8, color=ink)
        base += heights
    labels = [f"{phase.name}\n{format_tokens(phase.tokens)}" for phase in plan.phases]
    axes.set_xticks(places, labels)
    axes.tick_params(axis="x", colors=INK, length=0)
    axes.set_xlim(-0.6, len(places) - 0.4)
    axes.set_ylim(0, 1)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0%}"))
    axes.grid(visible=False, axis="x")
    axes.set_title("Share of each source")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), reverse=True, fontsize=8)


def _schedules(bottom: SubFigure, config: RunConfig) -> None:
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
        color = PHASE_COLORS[number % len(PHASE_COLORS)]
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
            color=PHASE_COLORS[number % len(PHASE_COLORS)],
            fontweight="bold",
        )
