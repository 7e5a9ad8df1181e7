"""Plots of languages: shares per phase, held-out loss per wave and per language."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from mmbert_composer.report.read_run import NOT_TRAINED, RunRecord
from mmbert_composer.report.schedule_plots import WIDE
from mmbert_composer.report.stream_rows import StreamRow, wave_losses
from mmbert_composer.report.svg_figure import (
    INK,
    MUTED,
    PAPER,
    new_figure,
    plottable,
    to_svg,
    token_axis,
    wave_color,
)

NAMED_A_PANEL = 8
DUMBBELLS_A_WAVE = 22


def share_plots(run: RunRecord, rows: Sequence[StreamRow]) -> dict[str, tuple[str, str, str]]:
    """Shares of the languages, sorted, a small plot a phase: id to (title, caption, svg)."""
    most = max(sum(row.shares[i] > 0 for row in rows) for i in range(len(run.phases)))
    floor = min(share for row in rows for share in row.shares if share > 0)
    ceiling = max(share for row in rows for share in row.shares)
    plots = {}
    for i, phase in enumerate(run.phases):
        drawn = sorted((row for row in rows if row.shares[i] > 0), key=lambda row: -row.shares[i])
        figure, axes = new_figure(3.9, 3.3)
        rank = np.arange(1, len(drawn) + 1)
        shares = np.array([row.shares[i] for row in drawn])
        colors = [wave_color(run, row.wave) for row in drawn]
        axes.vlines(rank, floor / 2, shares, colors=colors, lw=max(0.6, 70 / most), alpha=0.28)
        axes.scatter(rank, shares, s=max(4, min(16, 600 / most)), c=colors, lw=0, zorder=3)
        axes.set_yscale("log")
        axes.set_ylim(floor / 2, min(1.4, ceiling * 2.5))
        subs = (1.0,) if ceiling > 50 * floor else (1.0, 2.0, 5.0)
        axes.yaxis.set_major_locator(LogLocator(10, subs=subs, numticks=8))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value * 100:.3g}%"))
        axes.set_xlim(0, most + 1)
        axes.grid(visible=False, axis="x")
        axes.set_xlabel("rank of the language")
        for line, (row, share) in enumerate(zip(drawn[:NAMED_A_PANEL], shares, strict=False)):
            height = 0.965 - 0.058 * line
            style = {"transform": axes.transAxes, "ha": "right", "va": "center", "fontsize": 8}
            axes.text(0.855, height, _short(plottable(row.label)), color=INK, **style)
            axes.text(0.99, height, f"{share:.1%}", color=MUTED, **style)
        joined = sum(row.wave == phase.wave for row in drawn)
        caption = f"{len(drawn):,} languages" + (f", {joined:,} of them new" if i else "")
        plots[f"plot-shares-{i}"] = (phase.name, caption, to_svg(figure, f"Language shares in {phase.name}"))
    return plots


def held_out_plot(run: RunRecord) -> str | None:
    """Held-out loss of each wave over tokens; None without measurements."""
    losses = wave_losses(run)
    if not losses:
        return None
    figure, axes = new_figure(WIDE[0], 4.2)
    for wave, points in losses.items():
        color, group = wave_color(run, wave), run.waves[wave]
        token, loss, low, high = points.T
        count = int((run.wave_of == wave).sum())
        axes.fill_between(token, low, high, color=color, alpha=0.1, lw=0)
        before = token <= group.start_tok if group.name != NOT_TRAINED else np.ones(len(token), bool)
        join = int(before.sum())
        axes.plot(token[:join], loss[:join], color=color, lw=1.4, ls=(0, (3, 2)))
        axes.plot(
            token[max(join - 1, 0) :], loss[max(join - 1, 0) :], color=color, lw=2.2, marker="o", ms=3, mec="none"
        )
        label = f"{count:,} that joined in {group.name}" if group.name != NOT_TRAINED else f"{count:,} {NOT_TRAINED}"
        axes.plot([], [], color=color, lw=2.2, label=plottable(label))
        if join and 0 < group.start_tok < run.reached_tok:
            axes.plot(token[join - 1], loss[join - 1], "o", ms=8, mfc=PAPER, mec=color, mew=2, zorder=5)
    handles, _ = axes.get_legend_handles_labels()
    if any(run.waves[wave].start_tok for wave in losses):
        handles.append(Line2D([], [], color=MUTED, lw=1.4, ls=(0, (3, 2)), label="before they joined"))
    axes.legend(handles=handles, loc="best")
    axes.set_ylabel("nats a masked token")
    token_axis(axes, run)
    return to_svg(figure, "Held-out loss per wave")


def before_after_plot(run: RunRecord, rows: Sequence[StreamRow]) -> str | None:
    """Every language as a line from its loss before it joined to that at the end; None without both."""
    shown = [row for row in rows if np.isfinite(row.before) and np.isfinite(row.after)]
    if not shown or len(run.log.evals) < 2:
        return None
    figure, axes = new_figure(*WIDE)
    gap, start = max(1.0, 0.015 * len(shown)), 0.0
    width = 620 / (len(shown) + gap * len(run.waves))  # points that one language has
    for wave, group in enumerate(run.waves):
        members = sorted((row for row in shown if row.wave == wave), key=lambda row: row.after)
        if not members:
            continue
        color, place = wave_color(run, wave), start + np.arange(len(members))
        before = np.array([row.before for row in members])
        after = np.array([row.after for row in members])
        axes.vlines(place, before, after, color=color, lw=float(np.clip(0.5 * width, 0.4, 3)), alpha=0.3)
        size = float(np.clip(0.8 * width, 1.4, 5.5))
        axes.plot(place, before, "o", ms=size, mfc=PAPER, mec=color, mew=min(1.2, size / 3), ls="")
        axes.plot(place, after, "o", ms=size, color=color, mec="none", ls="")
        if len(members) * width > 6 * len(group.name):  # else the neighbours' names would overlap
            axes.text(place[0], 1.02, plottable(group.name), transform=axes.get_xaxis_transform(), color=color)
        start = place[-1] + 1 + gap
    axes.set_xlim(-gap, start)
    axes.set_xticks([])
    axes.grid(visible=False, axis="x")
    axes.set_ylabel("nats a masked token")
    return to_svg(figure, "Held-out loss before and after")


def dumbbell_plots(run: RunRecord, rows: Sequence[StreamRow]) -> dict[str, tuple[str, str, str]]:
    """Per wave, languages by name with their loss before and at the end: id to (title, caption, svg)."""
    complete = [row for row in rows if np.isfinite(row.before) and np.isfinite(row.after)]
    if not complete or len(run.log.evals) < 2:
        return {}
    ends = np.array([[row.before, row.after] for row in complete])
    margin = 0.06 * np.ptp(ends) or 0.1
    limits = (ends.min() - margin, ends.max() + margin)
    plots = {}
    for wave, group in enumerate(run.waves):
        members = [row for row in complete if row.wave == wave]
        if not members:
            continue
        shown = sorted(members, key=lambda row: -row.masked)[:DUMBBELLS_A_WAVE]
        shown.sort(key=lambda row: row.after)
        figure, axes = new_figure(3.9, 0.7 + 0.2 * len(shown))
        _dumbbells(axes, shown, wave_color(run, wave))
        axes.set_xlim(*limits)
        everyone = len(shown) == len(members)
        caption = f"All {len(members)}." if everyone else f"{len(shown)} of {len(members):,}: most held-out text."
        plots[f"plot-dumbbell-{wave}"] = (f"Joined in {group.name}", caption, to_svg(figure, f"{group.name}"))
    return plots


def _dumbbells(axes: Axes, rows: Sequence[StreamRow], color: str) -> None:
    place = np.arange(len(rows))[::-1]
    before = [row.before for row in rows]
    after = [row.after for row in rows]
    axes.hlines(place, before, after, color=color, lw=2.4, alpha=0.35)
    axes.plot(before, place, "o", ms=4.5, mfc=PAPER, mec=color, mew=1.3, ls="")
    axes.plot(after, place, "o", ms=5.5, color=color, mec="none", ls="")
    axes.set_yticks(place, [_short(plottable(row.label)) for row in rows], fontsize=8, color=INK)
    axes.set_ylim(-0.8, len(rows) - 0.2)
    axes.grid(visible=False, axis="y")


def _short(label: str) -> str:
    return label if len(label) <= 26 else f"{label[:25]}…"
