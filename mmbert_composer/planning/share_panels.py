"""Shares of languages and of sources by phase: the upper half of a plan's picture."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from mmbert_composer.curriculum import Curriculum
from mmbert_composer.curriculum.curriculum import ScheduledPhase
from mmbert_composer.curriculum.curve import parse_curve
from mmbert_composer.curriculum.tokens import format_tokens
from mmbert_composer.planning.run_plan import PhasePlan, RunPlan

PHASE_COLORS = ("#4477AA", "#EE8866", "#228833", "#AA3377", "#BBCC33", "#66CCEE")
SOURCE_COLORS = ("#4477AA", "#EE8866", "#BBCC33", "#77AADD", "#FFAABB", "#44BB99", "#EEDD88", "#AA4499")
OTHERS = "#BBBBBB"
INK, MUTED = "#222222", "#666666"
FEW = 16
"""Up to so many languages are drawn with their names."""


def phase_color(number: int) -> str:
    """The colour of the phase of that number; past six phases colours return."""
    return PHASE_COLORS[number % len(PHASE_COLORS)]


def language_shares(phase: PhasePlan) -> dict[str, float]:
    """Language to its share in all that is counted of the phase, the largest first; empty where nothing is counted."""
    blocks: dict[str, int] = {}
    for source in phase.sources.values():
        for name, (count, _) in source.streams.items():
            language = name.split("/", 1)[1]
            blocks[language] = blocks.get(language, 0) + count
    total = sum(blocks.values())
    ordered = sorted(blocks.items(), key=lambda item: (-item[1], item[0]))
    return {language: count / total for language, count in ordered if count}


def language_panel(axes: Axes, curriculum: Curriculum, plan: RunPlan) -> None:
    """The share of every language by phase, as bars for a few and by rank for many."""
    shares = [language_shares(phase) for phase in plan.phases]
    labels = [
        f"{phase.name}: {len(row):,} languages{_taus(phase, placed)}"
        for phase, placed, row in zip(plan.phases, curriculum.phases, shares, strict=True)
    ]
    if max(len(row) for row in shares) <= FEW:
        _bars(axes, labels, shares)
    else:
        _ranks(axes, labels, shares)
    axes.set_title("Share of each language" + (" in the sources that are counted" if plan.uncounted else ""))


def _bars(axes: Axes, labels: list[str], shares: list[dict[str, float]]) -> None:
    languages = list(dict.fromkeys(language for row in reversed(shares) for language in row))
    places, height = np.arange(len(languages)), 0.8 / len(shares)
    for number, (label, row) in enumerate(zip(labels, shares, strict=True)):
        values = [row.get(language, 0.0) for language in languages]
        axes.barh(places + (number + 0.5) * height - 0.4, values, height, color=phase_color(number), label=label)
    axes.set_yticks(places, languages)
    axes.tick_params(axis="y", colors=INK, length=0)
    axes.set_ylim(len(languages) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0%}"))
    axes.legend(loc="lower right")


def _ranks(axes: Axes, labels: list[str], shares: list[dict[str, float]]) -> None:
    for number, (label, row) in enumerate(zip(labels, shares, strict=True)):
        values = list(row.values())
        axes.plot(np.arange(1, len(values) + 1), values, color=phase_color(number), label=label, lw=2)
        axes.plot([len(values)], values[-1:], "o", color=phase_color(number), ms=5)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.4g} %"))
    low, high = axes.get_ylim()
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high / low < 1000 else (1,), numticks=12))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("languages of each phase, the most sampled first")
    axes.legend(loc="lower left")


def _taus(phase: PhasePlan, placed: ScheduledPhase) -> str:
    taus = sorted({_tau_text(placed, source) for source, row in phase.sources.items() if len(row.streams) > 1})
    return f", τ {', '.join(taus)}" if taus else ""


def _tau_text(phase: ScheduledPhase, source: str) -> str:
    curve = parse_curve(phase.mixture[source].tau, "tau")
    return f"{curve.start:g}" if curve.is_constant else f"{curve.start:g} to {curve.end:g}"


def source_panel(axes: Axes, plan: RunPlan) -> None:
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
