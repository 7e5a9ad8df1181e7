"""A run folder as training writes it, small and made up, with the shapes of a real one."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

BLOCK, SEGMENT_BLOCKS, BATCH = 512, 64, 16
SEGMENT_TOK = BLOCK * SEGMENT_BLOCKS
WAVES = (
    "eng deu fra spa rus zho_Hans jpn arb hin ben",
    "por ita nld pol tur kor zsm ind fas heb ell ces swe ron hun",
    "ukr srp_Cyrl srp_Latn bul dan fin nob slk lit lav est cat eus glg isl gle cym mlt sqi mkd hye kat aze kaz uzb "
    "tam tel kan mal mar guj pan_Guru urd nep sin",
)
LANGUAGES = [code for wave in WAVES for code in wave.split()]


@dataclass(frozen=True)
class PhaseRow:
    """One phase of the made-up run."""

    name: str
    segments: int
    languages: int
    tau: float
    mask_ratio: float
    max_seq_len: int
    rope_theta: Any
    lr: tuple[float, float] = (1.0, 1.0)


THREE_PHASES = (
    PhaseRow("pretrain", 8, 10, 0.7, 0.30, 128, 10_000, (0.2, 1.0)),
    PhaseRow("extend", 4, 25, 0.5, 0.15, 512, {"global": 160_000, "local": 10_000}),
    PhaseRow("decay", 4, 60, 0.3, 0.05, 512, {"global": 160_000, "local": 10_000}, (1.0, 0.02)),
)


@dataclass
class MadeUpRun:
    """Writes plan.json, config.yaml, model_config.json and metrics.jsonl; ``lines`` may be changed before."""

    folder: Path
    phases: Sequence[PhaseRow] = THREE_PHASES
    streams: list[str] = field(default_factory=lambda: [f"cldr/{code}" for code in LANGUAGES[:60]])
    eval_every_ba: int = 4
    lines: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        counts = 1e7 / np.arange(1, len(self.streams) + 1) ** 1.3
        segments = []
        for phase in self.phases:
            share = np.where(np.arange(len(self.streams)) < phase.languages, counts**phase.tau, 0)
            share /= share.sum()
            for number in range(phase.segments):
                edges = np.round(np.cumsum(share) * SEGMENT_BLOCKS + number * 0.37 % 1).astype(int)
                edges[-1] = SEGMENT_BLOCKS
                segments.append({"phase": phase.name, "blocks": np.diff(edges, prepend=0).clip(0).tolist()})
        self.plan = {
            "format": 1,
            "block_size": BLOCK,
            "segment_blocks": SEGMENT_BLOCKS,
            "data_seed": 17,
            "streams": self.streams,
            "cursors": [0] * len(self.streams),
            "segments": segments,
            "chain": ["0"] * (len(segments) + 1),
        }
        self._train()

    def _train(self) -> None:
        rng = np.random.default_rng(5)
        joined = self._first_segments() * SEGMENT_TOK
        given = np.zeros(len(self.streams))
        hard = rng.normal(0, 0.25, len(self.streams))
        batch = token = 0
        real = 0
        for segment in self.plan["segments"]:
            phase = next(row for row in self.phases if row.name == segment["phase"])
            start = SEGMENT_TOK * next(i for i, s in enumerate(self.plan["segments"]) if s["phase"] == phase.name)
            for _ in range(SEGMENT_BLOCKS // BATCH):
                if batch % self.eval_every_ba == 0:
                    self._evaluate(batch, token, phase, joined, hard)
                done = (token - start) / (phase.segments * SEGMENT_TOK)
                loss = 1.2 + 7.5 * np.exp(-token / (4 * SEGMENT_TOK)) + 2 * phase.mask_ratio + rng.normal(0, 0.09)
                real += round(BATCH * BLOCK * (0.97 + 0.02 * rng.random()))
                batch += 1
                self.lines.append(
                    {
                        "batch": batch,
                        "token": token,
                        "tokens_real": real,
                        "phase": phase.name,
                        "loss": float(loss),
                        "lr": 8e-4 * (phase.lr[0] + (phase.lr[1] - phase.lr[0]) * done),
                        "mask_ratio": phase.mask_ratio,
                        "tau": {name.split("/")[0]: phase.tau for name in self.streams},
                        "max_seq_len": phase.max_seq_len,
                        "rope_theta": phase.rope_theta,
                        "batch_size": BATCH,
                        "tokens_per_second": 9_000 + 500 * rng.normal(),
                        "grad_norm": 1 + rng.random(),
                        "masked_accuracy": 0.7 * (1 - np.exp(-token / (6 * SEGMENT_TOK))),
                        "packing/mean_seq_len": 0.6 * phase.max_seq_len,
                    }
                )
                token += BATCH * BLOCK
            given += segment["blocks"]
            self.lines.append(
                {
                    "event": "languages",
                    "batch": batch,
                    "token": token,
                    "streams": {
                        name: {"blocks": int(blocks), "tokens_real": int(blocks * BLOCK * 0.98)}
                        for name, blocks in zip(self.streams, given, strict=True)
                        if blocks
                    },
                }
            )
        self._evaluate(batch, token, self.phases[-1], joined, hard)

    def _first_segments(self) -> np.ndarray:
        blocks = np.array([segment["blocks"] for segment in self.plan["segments"]])
        return np.argmax(blocks > 0, axis=0)

    def _evaluate(self, batch: int, token: int, phase: PhaseRow, joined: np.ndarray, hard: np.ndarray) -> None:
        common = 3.2 * np.exp(-token / (5 * SEGMENT_TOK))
        own = 1.9 * np.exp(-np.maximum(0, token - joined) / (2.5 * SEGMENT_TOK))
        losses = 2.1 + common + own + hard
        streams = {
            name: {"loss": float(loss), "masked": 40 + 7 * (i % 9)}
            for i, (name, loss) in enumerate(zip(self.streams, losses, strict=True))
        }
        total = sum(entry["masked"] for entry in streams.values())
        mean = sum(entry["loss"] * entry["masked"] for entry in streams.values()) / total
        self.lines.append(
            {
                "event": "eval",
                "batch": batch,
                "token": token,
                "phase": phase.name,
                "loss": mean,
                "accuracy": 0.3,
                "streams": streams,
                "sources": {},
            }
        )

    def write(self, config: dict[str, Any] | None = None) -> Path:
        """Write the folder and return it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        settings = {"run_name": "made-up", "seed": 21, "model": {"hidden_size": 64}} | (config or {})
        (self.folder / "config.yaml").write_text(json.dumps(settings))  # JSON is YAML
        (self.folder / "plan.json").write_text(json.dumps(self.plan))
        model = {"vocab_size": 8192, "hidden_size": 128, "intermediate_size": 192, "num_hidden_layers": 6}
        (self.folder / "model_config.json").write_text(json.dumps(model))
        (self.folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in self.lines))
        return self.folder

    def steps(self) -> list[dict[str, Any]]:
        return [line for line in self.lines if "event" not in line]

    def kill_and_resume(self, at_batch: int, saved_batch: int) -> None:
        """As if the process was killed after ``at_batch`` and went on from a checkpoint of ``saved_batch``."""
        lost = [line for line in self.lines if line["batch"] <= at_batch]
        again = [line for line in self.lines if line["batch"] > saved_batch]
        wrong = [line | {"loss": 99.0} if line["batch"] > saved_batch else line for line in lost]
        self.lines = [*wrong, {"event": "resume", "batch": saved_batch}, *again]
