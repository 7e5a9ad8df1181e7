"""Which texts a model was trained on, by the hashes that ``mmbert prepare`` keeps of every document."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from omegaconf import OmegaConf

from mmbert_composer.data.manifest import Manifest, load_manifest
from mmbert_composer.data.preparing.known_hashes import KnownHashes
from mmbert_composer.data.preparing.work_folder import WorkFolder
from mmbert_composer.errors import UserError


class TrainingTexts:
    """The documents of a prepared data folder, as xxh64 of their text; nothing is read but what is asked for.

    A document that was prepared as tokens (``mds:``) is known by its tokens and is not found by its text.

    Args:
        data: folder written by ``mmbert prepare``.

    Raises:
        UserError: no data, or data whose hashes are gone (``DATA/.prepare`` is not copied to other places).
    """

    def __init__(self, data: str | Path) -> None:
        self.manifest: Manifest = load_manifest(data)
        folder = WorkFolder(Path(data))
        parts = folder.finished_parts()
        if not any((folder.part(part) / "hashes").is_dir() for part in parts):
            raise UserError(
                f"{data}: the hashes of its documents are not there ({folder.state}/parts/*/hashes); look at the "
                "folder in which `mmbert prepare` wrote it"
            )
        self.streams = list(self.manifest.streams)
        self._known = {
            side: {name: KnownHashes.of_stream(folder, parts, name, side) for name in self.streams}
            for side in ("training", "heldout")
        }

    def trained(self, hashes: Sequence[int] | NDArray[np.uint64]) -> NDArray[np.bool_]:
        """[n] which texts are in the training part of any stream."""
        return self._in("training", hashes)

    def held_out(self, hashes: Sequence[int] | NDArray[np.uint64]) -> NDArray[np.bool_]:
        """[n] which texts are in the held-out part of any stream."""
        return self._in("heldout", hashes)

    def streams_with(self, hashes: Sequence[int] | NDArray[np.uint64]) -> dict[str, int]:
        """Stream to how many of the texts are in its training part; those with none are left out."""
        wanted = np.asarray(hashes, np.uint64)
        counts = {name: int(known.contains(wanted).sum()) for name, known in self._known["training"].items()}
        return {name: count for name, count in counts.items() if count}

    def _in(self, side: str, hashes: Sequence[int] | NDArray[np.uint64]) -> NDArray[np.bool_]:
        wanted = np.asarray(hashes, np.uint64)
        found = np.zeros(len(wanted), bool)
        for known in self._known[side].values():
            found |= known.contains(wanted)
        return found


def training_data_of(model: str | Path) -> Path | None:
    """The data folder of the run that ``model`` belongs to (``RUN``, ``RUN/hf``, ``RUN/merged``), if both are here."""
    for folder in (Path(model), Path(model).absolute().parent, Path(model).absolute().parent.parent):
        config = folder / "config.yaml"
        if config.is_file() and (folder / "plan.json").is_file():
            root = OmegaConf.select(OmegaConf.load(config), "data.root")
            return Path(root) if root and Path(root).is_dir() else None
    return None


def known_training_texts(model: str | Path, data: str | Path | None = None) -> TrainingTexts | None:
    """What is known of the model's training text: in ``data``, or found by its run folder; None if nothing is.

    Raises UserError where ``data`` was named and cannot tell.
    """
    if data is not None:
        return TrainingTexts(data)
    found = training_data_of(model)
    try:
        return TrainingTexts(found) if found is not None else None
    except UserError:  # data that moved, or without its hashes: then it is not known
        return None
