"""Whether two contenders compute the same thing: the loss and every gradient on the same documents."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from benchmarks.step.contenders import Contender, Ours
from benchmarks.step.documents import Document

LOSS_TOLERANCE = {False: 1e-4, True: 2e-2}
GRADIENT_TOLERANCE = {False: 1e-3, True: 0.2}
"""By ``Device.bf16``: relative, of the loss and of the gradient vector of one parameter.

With random weights any loss is near ln V: the gradients tell a wrong attention (apart by half) from rounding.
"""


class Agreement:
    """Loss and gradients of ours on a batch of ``documents``, to hold the peers' against."""

    def __init__(self, ours: Ours, batch: Mapping[str, Any], documents: Sequence[Document]) -> None:
        self.documents = documents
        self.bf16 = ours.device.bf16
        loss = ours.loss(batch)
        loss.backward()
        self.loss = float(loss)
        self.gradients = {
            name.removeprefix("model."): parameter.grad for name, parameter in ours.model.named_parameters()
        }
        ours.model.zero_grad()

    def check(self, name: str, peer: Contender) -> tuple[bool, str]:
        """Whether ``peer`` agrees within tolerance, and a line that says how well.

        Its batches hold one document each (all logits of more would not fit beside our gradients), weighted by their
        masked tokens, as our mean over the batch is.
        """
        total = sum(len(document.labels) for document in self.documents)
        loss = 0.0
        for document in self.documents:
            part = peer.loss(peer.batch([document])) * (len(document.labels) / total)
            part.backward()
            loss += float(part)
        worst, where = 0.0, ""
        for parameter_name, parameter in peer.model.named_parameters():
            mine, theirs = self.gradients[parameter_name], parameter.grad
            assert mine is not None, parameter_name
            assert theirs is not None, parameter_name
            apart = float(torch.linalg.vector_norm(mine - theirs) / torch.linalg.vector_norm(theirs))
            if not apart <= worst:
                worst, where = apart, parameter_name
        peer.model.zero_grad()
        relative = abs(loss - self.loss) / abs(loss)
        agrees = relative <= LOSS_TOLERANCE[self.bf16] and worst <= GRADIENT_TOLERANCE[self.bf16]
        line = (
            f"same documents, weights and masks: loss {self.loss:.5f} ours, {loss:.5f} {name}; "
            f"gradients apart by {worst:.1e} at most ({where})"
        )
        return agrees, line if agrees else f"DISAGREES, rows against it left out: {line}"
