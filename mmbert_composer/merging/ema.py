"""Exponential moving average over the checkpoints of one run: what mmBERT-small does with its last ones.

As in "Model merging in pre-training of large language models" (Li et al. 2025, arXiv:2505.12082), with the weights
normalised: a moving average that starts at zero, freed of its start as Adam's moments are (arXiv:1412.6980).
"""

from typing import TYPE_CHECKING

from mmbert_composer.merging.linear import weighted_sum
from mmbert_composer.merging.method_row import MethodRow

if TYPE_CHECKING:
    from mmbert_composer.merging.merge_method import MergeMethod
    from mmbert_composer.merging.method_row import Blend, Products


def ema_weights(count: int, decay: float) -> list[float]:
    """Weights of ``count`` checkpoints, oldest first: proportional to ``decay ** age``, the newest has age 0.

    3 checkpoints at decay 0.5 weigh 1/7, 2/7 and 4/7. A decay near 1 is the plain mean, one near 0 the newest alone.
    """
    raw = [decay**age for age in reversed(range(count))]
    total = sum(raw)
    return [weight / total for weight in raw]


def _blender(method: "MergeMethod", products: "Products") -> "Blend":
    assert method.decay is not None
    weights = ema_weights(len(products), method.decay)
    return lambda rows, out: weighted_sum(rows, weights, out)


EMA = MethodRow(
    name="ema",
    summary="mean of a run's checkpoints, newer ones weigh more",
    paper="https://arxiv.org/abs/2505.12082",
    options={"decay": 0.8},  # NOTE(assumed): mmBERT gives no number; arXiv:2505.12082 finds 0.8 and 0.9 alike
    blender=_blender,
    ordered=True,
)
