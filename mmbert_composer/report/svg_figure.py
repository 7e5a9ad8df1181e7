"""Matplotlib figures as inline SVG that takes its colours from the page, in light and in dark."""

import io
import re
from contextlib import AbstractContextManager
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont
from matplotlib.ft2font import FT2Font
from matplotlib.ticker import FuncFormatter, MaxNLocator

from mmbert_composer.curriculum.tokens import format_tokens
from mmbert_composer.report.read_run import NOT_TRAINED, PhaseSpan, RunRecord

INK = "#0a0001"
MUTED = "#0a0002"
GRID = "#0a0003"
PAPER = "#0a0004"
_PALETTE = 8
_WAVES = [f"#0b000{index}" for index in range(_PALETTE)]
_VARIABLES = {INK: "--ink", MUTED: "--muted", GRID: "--grid", PAPER: "--card"} | {
    color: f"--wave-{index}" for index, color in enumerate(_WAVES)
}
"""Colours that stand for the page's variables: matplotlib writes them, the SVG then names the variable."""

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: the page's font, and searchable
    "svg.hashsalt": "mmbert",  # the same run gives the same file
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": GRID,
    "axes.labelcolor": MUTED,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 0,
    "xtick.minor.size": 0,
    "ytick.major.size": 0,
    "ytick.minor.size": 0,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "lines.linewidth": 1.6,
    "lines.solid_capstyle": "round",
    "path.simplify_threshold": 0.5,
}
_FONT = FT2Font(findfont(FontProperties()))


def wave_color(run: RunRecord, wave: int) -> str:
    """The colour of a wave and of the phase that began it; past eight phases colours return."""
    return MUTED if run.waves[wave].name == NOT_TRAINED else _WAVES[wave % _PALETTE]


def wave_variable(run: RunRecord, wave: int) -> str:
    """The CSS variable of :func:`wave_color`."""
    return _VARIABLES[wave_color(run, wave)]


def plottable(text: str) -> str:
    """The text without characters that matplotlib's font lacks (it would warn and draw a box)."""
    return "".join(char for char in text if _FONT.get_char_index(ord(char))).replace("$", "")


def report_style() -> AbstractContextManager[None]:
    """The style that every figure is drawn and written in."""
    return mpl.rc_context(_STYLE)


def new_figure(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure of ``width`` x ``height`` inches with one axes, drawn without a screen or global state."""
    figure = Figure(figsize=(width, height), layout="constrained", facecolor="none")
    return figure, figure.subplots()


def to_svg(figure: Figure, title: str) -> str:
    """The figure as one ``<svg>`` element without fixed size, colours as CSS variables."""
    out = io.StringIO()
    # Not savefig, which would draw everything once more only to find the layout.
    FigureCanvasSVG(figure).print_svg(out, metadata={"Date": None, "Creator": None})
    svg = out.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)  # repeated over the figures of a page
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', rf'\1 role="img" aria-label="{title}"', svg, count=1)
    for color, variable in _VARIABLES.items():
        svg = svg.replace(color, f"var({variable})")
    return svg


def token_axis(axes: Axes, run: RunRecord) -> None:
    """Tokens along x over the whole plan, phases marked by hairlines and a coloured strip on top."""
    axes.set_xlim(0, run.total_tok)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda token, _: short_tokens(token)))
    axes.grid(visible=False, axis="x")
    for phase in run.phases:
        strip_phase(axes, run, phase)


def strip_phase(axes: Axes, run: RunRecord, phase: PhaseSpan) -> None:
    """One phase's strip above the axes, and the hairline where it begins."""
    across = axes.get_xaxis_transform()
    ends = [phase.start_tok, phase.end_tok]
    axes.plot(
        ends,
        [1.03, 1.03],
        color=wave_color(run, phase.wave),
        lw=3,
        transform=across,
        clip_on=False,
        solid_capstyle="butt",
    )
    if phase.start_tok:
        axes.axvline(phase.start_tok, color=MUTED, lw=0.8, ls=(0, (2, 3)))


def short_tokens(token: float) -> str:
    """1.5M rather than 1.50M, 2T rather than 2.00T: for axes."""
    text = format_tokens(token)
    number, suffix = (text[:-1], text[-1]) if text[-1].isalpha() else (text, "")
    return (number.rstrip("0").rstrip(".") if "." in number else number) + suffix


def three_digits(value: float) -> str:
    """A count with three significant digits: 862k, 1.91M."""
    for suffix, scale in (("T", 1e12), ("B", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= 0.9995 * scale:
            return f"{value / scale:#.3g}".rstrip(".") + suffix
    return f"{value:.0f}"
