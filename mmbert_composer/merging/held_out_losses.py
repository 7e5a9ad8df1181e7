"""How well models predict held-out text: those that were merged, their base and the merge, side by side."""

import json
from collections.abc import Mapping
from pathlib import Path

import torch

from mmbert_composer.data.atomic_write import write_json
from mmbert_composer.data.held_out_loader import HeldOutLoader
from mmbert_composer.errors import UserError
from mmbert_composer.export.model_source import ModelSource, open_model
from mmbert_composer.export.source_model import fits_data, source_model
from mmbert_composer.merging.merge_models import RECORD
from mmbert_composer.models.held_out_loss import HeldOutLoss

HELD_OUT = "held_out.json"
BLOCKS_PER_STREAM = 8


def held_out_losses(models: Mapping[str, ModelSource], data: str | Path) -> dict[str, float]:
    """Nats per masked token of each model on the held-out text of all streams of ``data``, as training measures it.

    At most 8 blocks of a stream; sequences are cut at the longest that any of the models was trained on.
    """
    longest = max(source.files.max_seq_len for source in models.values())
    loader = HeldOutLoader.of_all_streams(data, longest, BLOCKS_PER_STREAM)
    return {name: _loss(source, loader) for name, source in models.items()}


def measure_merge(out: str | Path, data: str | Path, run: str | Path | None = None) -> dict[str, float]:
    """Held-out losses of the models that merge.json in ``out`` names, of their base and of the merge.

    Models that are gone meanwhile are left out. Also written to ``held_out.json``. ``run``: the run folder that short
    names in merge.json start from.
    """
    out = Path(out)
    record = json.loads((out / RECORD).read_text(encoding="utf-8"))
    entries = [*record["inputs"], *([record["base"]] if record["base"] else [])]
    models = {}
    for entry in entries:
        inside = Path(run or ".") / entry["name"]
        path = inside if inside.exists() else Path(entry["name"])
        if path.exists():
            title = f"{entry['name']} (base)" if entry is record["base"] else entry["name"]
            models[title] = open_model(path)
    losses = held_out_losses({**models, f"{out} (merge)": open_model(out)}, data)
    write_json(out / HELD_OUT, {"format": 1, "data": str(data), "losses": losses})
    return losses


def check_vocabulary(model: ModelSource, data: str | Path) -> None:
    """Raise a UserError unless ``data`` was made with the model's tokenizer."""
    if not fits_data(model, data):
        raise UserError(f"held_out: the blocks of {data} were made with another tokenizer than that of {model.path}")


@torch.inference_mode()
def _loss(source: ModelSource, loader: HeldOutLoader) -> float:
    model = source_model(source)
    metric = HeldOutLoss()
    for batch in loader:
        metric.update(batch, model.eval_forward(batch))
    return float(metric.compute())
