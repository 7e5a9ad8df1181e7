"""What a scheduler callback acts on."""

from typing import cast

from composer.core import State
from composer.models import ComposerModel
from torch.nn.parallel import DistributedDataParallel

from mmbert_composer.data.annealed_loader import AnnealedLoader
from mmbert_composer.errors import UserError


def train_loader(state: State, callback: str) -> AnnealedLoader:
    """The run's train loader; ``callback`` is named in the error where it is of another kind."""
    loader = state.train_dataloader
    if not isinstance(loader, AnnealedLoader):
        raise UserError(
            f"callback {callback}: train_dataloader is a {type(loader).__name__}; it acts on an AnnealedLoader "
            f"(from mmbert_composer.data, pass loader.data_spec() to the Trainer)"
        )
    return loader


def bare_model(state: State) -> ComposerModel:
    """The model without its DistributedDataParallel wrapper."""
    model = state.model
    return cast("ComposerModel", model.module if isinstance(model, DistributedDataParallel) else model)
