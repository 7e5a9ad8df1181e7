"""A transformers folder as a starting point: the same weights, checked, with what a run needs beside them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from mmbert_composer.checkpoints.model_weights import EMBEDDING, folder_weights
from mmbert_composer.errors import UserError
from mmbert_composer.export.export_model import Exported, ModelFiles, export_model
from mmbert_composer.export.hf_config import rope_theta_of
from mmbert_composer.export.model_card import ModelFacts
from mmbert_composer.export.weights_file import check_fit, described, float_dtype, write_weights
from mmbert_composer.importing.check_import import ImportRequest, check_import
from mmbert_composer.importing.complete_head import complete_head
from mmbert_composer.importing.grow_rows import RowReport, grow_rows
from mmbert_composer.importing.model_yaml import model_yaml

RECORD = "import.json"
MODEL_YAML = "model.yaml"


@dataclass(frozen=True)
class Imported:
    """What was written, what was put right or made new, and where grown rows come from."""

    exported: Exported
    notes: tuple[str, ...]
    rows: RowReport | None


def import_model(
    source: str | Path, out: str | Path, *, tokenizer: str | Path | None = None, new_head: bool = False
) -> Imported:
    """Import the ModernBERT folder ``source`` to the new folder ``out``.

    ``out`` is what an export is (weights bit by bit as they were, config for transformers 4 and 5, tokenizer, checked
    by logits) and so a ``load_path`` for ``load_as: weights``, an input of merges and exports, and a tokenizer for
    ``prepare``; ``model.yaml`` has the ``model:`` section that fits it and ``import.json`` says where it comes from.

    Args:
        tokenizer: folder of a grown form of the model's tokenizer, which takes its place; see ``grow_rows``.
        new_head: draw the head for masked words new where there is none; see ``complete_head``.

    Raises:
        UserError: whatever ``check_import`` and ``complete_head`` find; weights that are not finite.
    """
    request = check_import(Path(source), Path(out), None if tokenizer is None else Path(tokenizer))
    return import_checked(request, Path(out), new_head=new_head)


def import_checked(request: ImportRequest, out: Path, *, new_head: bool = False) -> Imported:
    """What ``import_model`` does once ``check_import`` has passed."""
    source = request.source
    config = {**request.config, "tie_word_embeddings": True}
    weights, new = complete_head(folder_weights(source), config, str(source), new_head=new_head)
    if weights[EMBEDDING].shape[0] != config["vocab_size"]:
        raise UserError(
            f"{source}: the embedding has {weights[EMBEDDING].shape[0]:,} rows and config.json says vocab_size "
            f"{config['vocab_size']:,}"
        )
    tensors = described(weights)
    check_fit(tensors, config)
    float_dtype(tensors)
    _check_finite(weights, source)
    notes = list(request.notes)
    if new:
        notes.append(f"NEW HEAD, to be trained before masked words can be told: {', '.join(new)}")
    rows, files = None, request.tokenizer
    if request.grown is not None and request.added is not None:
        weights, rows = grow_rows(weights, request.tokenizer, request.grown, request.added)
        files = request.grown
    config = {**config, "vocab_size": weights[EMBEDDING].shape[0]}
    name = origin_name(source)
    record = {
        "format": 1,
        "source": name,
        "licence": stated_licence(source),
        "transformers_version": config.get("transformers_version"),
        "tokenizer_hash": files.hash,
        "rows": None if rows is None else rows.to_json(),
        "notes": notes,
    }

    def write(file: Path) -> None:
        write_weights(weights, file)
        weights.clear()  # the check of what is written needs them no more

    exported = export_model(
        write,
        ModelFiles(config, files.folder, rope_theta_of(config), config["max_position_embeddings"]),
        out,
        facts=ModelFacts(name=out.name, started_from=name, licence=record["licence"]),
        record={"source": RECORD},
        extra={RECORD: record, MODEL_YAML: model_yaml(config, name)},
    )
    return Imported(exported, tuple(notes), rows)


def origin_name(folder: Path) -> str:
    """The folder's name; of a downloaded snapshot (``models--user--name/snapshots/hash``) that of the model."""
    resolved = folder.resolve()
    hub = next((part for part in reversed(resolved.parts) if part.startswith("models--")), None)
    return resolved.name if hub is None else hub.removeprefix("models--").replace("--", "/")


def stated_licence(folder: Path) -> str | None:
    """``license`` in the metadata of the folder's README.md, or None."""
    card = folder / "README.md"
    parts = card.read_text(encoding="utf-8", errors="replace").split("---", 2) if card.is_file() else []
    if len(parts) < 3 or parts[0].strip():
        return None
    try:
        metadata: Any = yaml.safe_load(parts[1])
    except yaml.YAMLError:
        return None
    licence = metadata.get("license") if isinstance(metadata, dict) else None
    return licence if isinstance(licence, str) else None


def _check_finite(weights: Mapping[str, Tensor], source: Path) -> None:
    # By the extremes, which a NaN or an infinity goes into: a mask of the embedding would be a quarter of it.
    broken = [
        name
        for name, tensor in weights.items()
        if tensor.is_floating_point() and not bool(torch.isfinite(torch.stack(tensor.aminmax())).all())
    ]
    if broken:
        raise UserError(f"{source}: NaN or infinite values in {', '.join(broken)}; such a model cannot be trained on")
