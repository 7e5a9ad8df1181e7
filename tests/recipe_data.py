"""Text under the source names of the mmBERT recipes, and overrides that shrink them to it; all can be typed."""

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.conftest import ROOT, TINY_MODEL

FINEWEB2 = ("deu_Latn", "rus_Cyrl", "swh_Latn")
"""As FineWeb2 names its folders; the recipes' lists name them without a script."""

BLOCK = 64
SEGMENT = 16


def recipe_sources() -> dict[str, str | None]:
    """Every source of yamls/data/mmbert.yaml to its one language; None is several."""
    from omegaconf import OmegaConf

    rows: Any = OmegaConf.to_container(OmegaConf.load(ROOT / "yamls/data/mmbert.yaml"))
    several = ("fineweb2", "megawika-languages")
    return {name: None if name in several else row.get("language", "und") for name, row in rows["sources"].items()}


def prepare_recipe_data(folder: Path) -> Path:
    """A few blocks of 64 tokens for every source; the folder of the data."""
    from mmbert_composer.data.prepare import prepare
    from mmbert_composer.data.tokenizer import train_tokenizer

    rows: list[dict[str, str]] = []
    for source, language in recipe_sources().items():
        codes = (language,) if language is not None else FINEWEB2 if source == "fineweb2" else ("deu", "swh")
        for code in codes:
            draw = random.Random(f"{source}-{code}")
            words = ["".join(draw.choices("abcdefghijklmnop", k=draw.randint(2, 6))) for _ in range(50)]
            rows += [
                {"text": " ".join(draw.choices(words, k=60)), "source": source, "language": code} for _ in range(16)
            ]
    text = folder / "text.jsonl"
    text.write_text("".join(json.dumps(row) + "\n" for row in rows))
    train_tokenizer((row["text"] for row in rows), 640, folder / "tokenizer")
    prepare([f"jsonl:{text}"], folder / "tokenizer", folder / "data", block_size=BLOCK, say=lambda line: None)
    return folder / "data"


def two_steps(recipe: Path, data: Path, save_folder: Path, *more: str, languages: str | None = None) -> list[str]:
    """Overrides that make each phase of ``recipe`` two steps (or a few) of 8 blocks on ``data``, a tiny model of it."""
    from mmbert_composer.config import load_yaml

    phases: Sequence[dict[str, Any]] = load_yaml(recipe)["curriculum"]["phases"]
    overrides = [
        f"data.root={data}",
        f"save_folder={save_folder}",
        f"data.block_size={BLOCK}",
        f"data.segment_blocks={SEGMENT}",
        "data.num_workers=0",
        "data.held_out_blocks=1",
        "global_train_batch_size=8",
        "batch_size_multiple=4",
        "device_train_microbatch_size=4",
        "progress_bar=false",
        "save_interval=1ba",
        "eval_interval=null",
        "curriculum.max_passes=null",
        *(f"model.{key}={value}" for key, value in TINY_MODEL.items()),
    ]
    for number, phase in enumerate(phases):
        at = f"curriculum.phases.{number}"
        overrides += [f"{at}.duration={SEGMENT * BLOCK}tok", f"{at}.max_seq_len={min(phase['max_seq_len'], BLOCK)}"]
        if isinstance(phase.get("lr"), dict) and "over" in phase["lr"]:
            overrides.append(f"{at}.lr.over=512tok")
        if "batch_size" in phase:
            overrides += [f"{at}.batch_size.from=4", f"{at}.batch_size.to=8", f"{at}.batch_size.over=512tok"]
        if "fineweb2" in phase["mixture"]:
            overrides.append(f"{at}.mixture.fineweb2.languages={languages or '[deu, rus, swh]'}")
    return [*overrides, *more]
