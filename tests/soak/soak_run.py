"""The run that the soak repeats, stops and breaks: its settings, and what it left in its folder."""

import json
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from tests.conftest import TINY_MODEL

BLOCK_SIZE = 64
SEGMENT_BLOCKS = 64
SEGMENTS = 14
"""Of each of the three phases."""

WARM_UP_BLOCKS = 256
"""Blocks of the second phase in which its batch grows from 4 to 8."""


def write_yaml(path: Path, data: Path, *, dropout: float) -> Path:
    """A run of three phases, 340 steps or so, with batch warm-up, checkpoints every 7 steps, merge and export."""
    duration = f"{SEGMENTS * SEGMENT_BLOCKS * BLOCK_SIZE}tok"
    warm_up = {"from": 4, "to": 8, "curve": "equal_steps", "over": f"{WARM_UP_BLOCKS * BLOCK_SIZE}tok"}
    rows = [
        {"name": "one", "mask_ratio": 0.3, "max_seq_len": 32, "rope_theta": 10_000, "languages": 2, "tau": 0.7},
        {"name": "two", "mask_ratio": 0.2, "max_seq_len": 64, "rope_theta": 160_000, "languages": 4, "tau": 0.5},
        {"name": "three", "mask_ratio": {"from": 0.15, "to": 0.05, "curve": "linear"}, "tau": 0.3},
    ]
    more: list[dict[str, Any]] = [
        {"lr": {"from": 0, "to": 1, "over": f"{8 * BLOCK_SIZE * 8}tok"}},
        {"batch_size": warm_up},
        {"lr": {"from": 1, "to": 0.02, "curve": "1-sqrt"}, "max_seq_len": 64, "rope_theta": 160_000},
    ]
    phases = [
        {key: value for key, value in row.items() if key not in ("tau", "languages")}
        | {"duration": duration, "mixture": {"tiny": {"tau": row["tau"], "languages": row.get("languages")}}}
        | extra
        for row, extra in zip(rows, more, strict=True)
    ]
    settings = {
        "data": {"root": str(data), "block_size": BLOCK_SIZE, "segment_blocks": SEGMENT_BLOCKS, "held_out_blocks": 2},
        "save_interval": "7ba",
        "save_num_checkpoints_to_keep": 4,
        "seed": 5,
        "global_train_batch_size": 8,
        "batch_size_multiple": 4,
        "device_train_microbatch_size": 2,
        "dist_timeout": 60,
        "progress_bar": False,
        "model": TINY_MODEL | {"attention_out_dropout": dropout},
        "optimizer": {"name": "stable_adamw", "lr": 0.0008},
        "curriculum": {"max_passes": 1000, "phases": phases},
        "callbacks": {"sample_log": {}, "checkpoint_merging": {"last": 3}, "huggingface_export": {}},
    }
    path.write_text(OmegaConf.to_yaml(OmegaConf.create(settings)))
    return path


def whole_lines(path: Path) -> list[dict[str, Any]]:
    """The lines of a log that are whole; a kill may have torn one."""
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            rows.append(json.loads(line))
        except ValueError:
            continue
    return rows


def steps_of(path: Path) -> dict[int, dict[str, Any]]:
    """Step to its last line; a process that resumes makes later steps of those before it void."""
    steps: dict[int, dict[str, Any]] = {}
    for row in whole_lines(path):
        if row.get("event") == "resume":
            steps = {batch: step for batch, step in steps.items() if batch <= row["batch"]}
        elif "event" not in row:
            steps[row["batch"]] = row
    return steps


def samples_of(folder: Path) -> dict[int, list[tuple[str, int, int]]]:
    """Step to the blocks that all ranks together trained on, sorted."""
    samples: dict[int, list[tuple[str, int, int]]] = {}
    for path in folder.glob("samples-rank*.jsonl"):
        for batch, row in steps_of(path).items():
            samples.setdefault(batch, []).extend(tuple(sample) for sample in row["samples"])
    return {batch: sorted(blocks) for batch, blocks in samples.items()}


def losses_of(folder: Path) -> dict[int, float]:
    return {batch: row["loss"] for batch, row in steps_of(folder / "metrics.jsonl").items()}
