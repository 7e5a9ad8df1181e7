"""Which files of a Hugging Face folder hold its weights; no torch."""

import json
from pathlib import Path

from mmbert_composer.errors import UserError

INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"
_PICKLED = ("pytorch_model*.bin", "*.bin", "*.pt", "*.pth", "*.ckpt")


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of ``folder``: one, or the shards that its index names.

    Raises UserError for a folder without them, with what to do where there are pickled weights instead, and for an
    index that names files that are not there.
    """
    if (folder / INDEX).is_file():
        try:
            names = sorted(set(json.loads((folder / INDEX).read_text(encoding="utf-8"))["weight_map"].values()))
        except (ValueError, KeyError, AttributeError) as error:
            raise UserError(f"{folder / INDEX} is no index of safetensors shards ({error!r})") from error
    else:
        names = [SINGLE]
    missing = [name for name in names if not (folder / name).is_file()]
    if not missing:
        return [folder / name for name in names]
    pickled = next((path.name for pattern in _PICKLED for path in sorted(folder.glob(pattern))), None)
    if names == [SINGLE] and pickled is not None:
        raise UserError(
            f"{folder}: its weights are pickled ({pickled}), and loading a pickle can run any code, so it is not done. "
            f'If you trust them, convert them once: python -c "from transformers import AutoModelForMaskedLM as M; '
            f"M.from_pretrained('{folder}').save_pretrained('{folder}-safe')\", and copy the tokenizer's files there"
        )
    raise UserError(
        f"{folder}: no {', '.join(missing)}; expected a Hugging Face folder with safetensors weights, "
        f"{SINGLE} or shards with {INDEX}"
    )
