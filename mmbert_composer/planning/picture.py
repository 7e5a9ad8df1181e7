"""A run as a picture before it runs: whom each phase samples how often, and every scheduled value over tokens."""

from pathlib import Path
from typing import Any, cast

import matplotlib
from matplotlib.figure import Figure
from numpy.typing import NDArray

from mmbert_composer.config import RunConfig
from mmbert_composer.curriculum.tokens import format_tokens
from mmbert_composer.errors import UserError
from mmbert_composer.planning.run_plan import RunPlan
from mmbert_composer.planning.schedule_panels import schedule_panels
from mmbert_composer.planning.share_panels import INK, MUTED, language_panel, language_shares, source_panel

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
        if any(language_shares(phase) for phase in plan.phases):
            left, right = top.subplots(1, 2, width_ratios=(1.25, 1.0))
            language_panel(left, config.curriculum, plan)
            source_panel(right, plan)
        else:
            source_panel(top.subplots(), plan)
        schedule_panels(bottom, config)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            figure.savefig(path, dpi=140)
        except (OSError, ValueError) as error:  # a folder that cannot be written, an ending that is no picture's
            raise UserError(f"--picture {path} cannot be written: {error}") from error
