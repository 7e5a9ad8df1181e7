"""What happens where 60 languages become 1,834: the pause in the loader and the memory it takes."""

import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmbert_composer.curriculum import Curriculum, Phase
from mmbert_composer.data.annealed_dataset import AnnealedDataset
from mmbert_composer.data.annealed_loader import AnnealedLoader
from mmbert_composer.data.manifest import Manifest

MICRO_BATCH = 8
PART = 4
"""What is served is the last fourth of one segment and the first fourth of the next."""


@dataclass(frozen=True)
class Edge:
    """One walk over the edge."""

    stall: float
    """Seconds from the last step of a segment to the first of the next, beyond a step's own."""
    memory: int
    """Bytes that loader and workers grew by, from the last step before the edge to the most in the fourth after it."""


def edge_curriculum(block_size: int, segment_blocks: int, languages: int) -> Curriculum:
    """Two phases of a segment each: the ``languages`` largest, then all."""
    duration = f"{segment_blocks * block_size}tok"
    phases = [
        Phase("few", duration, 0.3, block_size, {"edge": {"tau": 0.7, "languages": languages}}),
        Phase("all", duration, 0.05, block_size, {"edge": {"tau": 0.3}}),
    ]
    return Curriculum(
        phases,
        block_size=block_size,
        segment_blocks=segment_blocks,
        global_train_batch_size=MICRO_BATCH,
        max_passes=None,
    )


def walk(manifest: Manifest, curriculum: Curriculum, *, workers: int, ahead: bool) -> Edge:
    """Serve what lies around the edge; without ``ahead`` the next segment is drawn when it is asked for."""
    dataset = AnnealedDataset(manifest.root, curriculum, seed=1, batch_size=MICRO_BATCH)
    if not ahead:
        dataset._sampler = dataset._sampler.sampler  # type: ignore[assignment]
    loader = AnnealedLoader(dataset, global_batch_size=MICRO_BATCH, mask_ratio=0.3, num_workers=workers)
    steps = curriculum.segment_blocks // MICRO_BATCH
    served = (steps - steps // PART) * MICRO_BATCH
    place = {"epoch": 0, "sample_in_epoch": served, "chain": dataset.plan.chain[1]}
    loader.load_state_dict(dataset.state_dict(0, True) | place)
    gaps: list[float] = []
    last = time.perf_counter()
    for _ in loader:
        now = time.perf_counter()
        gaps.append(now - last)
        last = now
    before = _resident(loader)
    last, stall, memory = time.perf_counter(), 0.0, 0
    for step, _ in enumerate(loader):
        if not step:
            stall = time.perf_counter() - last - statistics.median(gaps)
        if step % (steps // (10 * PART)) == 0:
            memory = max(memory, _resident(loader) - before)
        if step == steps // PART:
            break
    if loader._iterator is not None:
        loader._iterator._shutdown_workers()  # type: ignore[attr-defined]
    return Edge(max(0.0, stall), memory)


def _resident(loader: AnnealedLoader) -> int:
    """Bytes in memory of this process and the loader's workers."""
    workers: list[Any] = getattr(loader._iterator, "_workers", [])
    return sum(_status(pid) for pid in ("self", *(str(worker.pid) for worker in workers)))


def _status(pid: str) -> int:
    rows = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(rows["VmRSS"].split()[0]) * 1024
