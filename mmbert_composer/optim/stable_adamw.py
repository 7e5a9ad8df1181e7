"""StableAdamW with fully decoupled weight decay: mmBERT's optimizer."""

from typing import Any

import optimi
import torch
from optimi.utils import HAS_TRITON
from torch import nn

from mmbert_composer.optim.decay_groups import decay_groups


class StableAdamW(optimi.StableAdamW):
    """torch-optimi's StableAdamW, with its kernel chosen by where the parameters are at each step.

    optimi 0.3.3 decides once, in ``_init_group``, from a list that is still empty: it takes Triton on a CPU and fails
    there. It also stores the decision in every group, hence in checkpoints, so that a run saved on a GPU could not
    be continued on a CPU. This class can go when ``_default_to_triton`` is given ``group["params"]``.
    """

    def _init_group(self, group: dict[str, Any], *args: Any, **kwargs: Any) -> None:
        group["triton"] = HAS_TRITON and all(p.is_cuda for p in group["params"])
        if group["triton"]:
            for parameter in group["params"]:
                state = self.state[parameter]
                if state and "mean_square" not in state:  # saved where there was no Triton
                    state["mean_square"] = torch.zeros(1, dtype=torch.float32, device=parameter.device)
        super()._init_group(group, *args, **kwargs)


def build_stable_adamw(
    model: nn.Module,
    lr: float,
    betas: tuple[float, float] = (0.9, 0.95),
    eps: float = 1e-8,
    weight_decay: float = 8e-5,
) -> StableAdamW:
    """StableAdamW over two groups: matrices decayed, norms and biases not.

    Update clipping per tensor (lr / max(1, RMS of gradient over root second moment)) stands in for gradient clipping
    (Wortsman et al. 2023, arXiv:2304.13013). With ``decouple_lr`` a step multiplies weights by
    1 - weight_decay x lr / max_lr: the decay does not shrink with the peak learning rate, hence its small value.

    NOTE: ``max_lr`` is stored in every group and in checkpoints. A later phase with another base learning rate must
    reset it together with ``lr`` and ``initial_lr``: see ``reset_base_lr``.
    """
    return StableAdamW(
        decay_groups(model, weight_decay),
        lr=lr,
        betas=(betas[0], betas[1]),
        eps=eps,
        weight_decay=weight_decay,
        decouple_lr=True,
    )
