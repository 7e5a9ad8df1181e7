"""What all route tasks found together, and the units of packing that follow from it."""

import heapq
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mmbert_composer.data.atomic_write import write_json
from mmbert_composer.data.held_out_split import LARGE_STREAM
from mmbert_composer.data.ledger import Ledger
from mmbert_composer.data.preparing.job_plan import JobPlan
from mmbert_composer.data.preparing.route_task import DONE_NAME
from mmbert_composer.data.preparing.sorted_spill import HASHES
from mmbert_composer.data.preparing.work_folder import WorkFolder
from mmbert_composer.errors import UserError


@dataclass(frozen=True)
class PackUnit:
    """A stream's documents in one of ``count`` equal ranges of hashes: what is packed together, and done or not."""

    stream: str
    index: int
    count: int
    bytes: int
    """Of text, about."""

    @property
    def name(self) -> str:
        """Also of its folder: ``news/deu/00000``."""
        return f"{self.stream}/{self.index:05}"

    def range(self, index: int | None = None) -> tuple[int, int]:
        """First hash of a range and one past its last; of this unit's own, or of that number ``index``."""
        index = self.index if index is None else index
        return -(-index * HASHES // self.count), -(-(index + 1) * HASHES // self.count)


@dataclass
class RoutedStream:
    """What was found of a stream."""

    documents: int = 0
    bytes: int = 0
    licences: list[str] = field(default_factory=list)
    origins: list[str] = field(default_factory=list)
    tasks: list[int] = field(default_factory=list)
    """Numbers of the route tasks that hold documents of it."""


@dataclass(frozen=True)
class Routed:
    """All input read."""

    ledger: Ledger
    streams: dict[str, RoutedStream]

    def units(self, range_bytes: int) -> list[PackUnit]:
        """Every unit, the largest first. A stream of few documents is not cut, however large they are."""
        units: list[PackUnit] = []
        for name, stream in self.streams.items():
            count = max(1, min(-(-stream.bytes // range_bytes), stream.documents // LARGE_STREAM))
            units += [PackUnit(name, index, count, stream.bytes // count) for index in range(count)]
        return sorted(units, key=lambda unit: (-unit.bytes, unit.name))


def deal(units: Sequence[PackUnit], tasks: int) -> list[list[PackUnit]]:
    """``units``, the largest first, to ``tasks`` lists of about the same size each."""
    dealt: list[list[PackUnit]] = [[] for _ in range(tasks)]
    loads = [(0, number) for number in range(tasks)]
    for unit in units:
        load, number = loads[0]
        dealt[number].append(unit)
        heapq.heapreplace(loads, (load + unit.bytes, number))
    return dealt


def collect(folder: WorkFolder, plan: JobPlan) -> Routed:
    """Put the results of all route tasks together; written to ``folder.routed``, and read from there when it is.

    Raises UserError when tasks are left, when too many lines were bad, and when no document is left.
    """
    if folder.routed.is_file():
        return _read(folder.routed)
    ledger, streams = Ledger(), dict[str, RoutedStream]()
    left: list[int] = []
    for number, task in enumerate(plan.route_tasks()):
        try:
            found: dict[str, Any] = json.loads((folder.spill / task.id / DONE_NAME).read_text(encoding="utf-8"))
        except FileNotFoundError:
            left.append(number)
            continue
        ledger.add(Ledger.from_state(found["ledger"]))
        for name, part in found["streams"].items():
            known = streams.setdefault(name, RoutedStream())
            known.documents += part["documents"]
            known.bytes += part["bytes"]
            known.licences = sorted({*known.licences, *part["licences"]})
            known.origins = sorted({*known.origins, *part["origins"]})
            known.tasks.append(number)
    if left:
        numbers = ", ".join(map(str, left[:5])) + (" ..." if len(left) > 5 else "")
        raise UserError(
            f"{len(left)} tasks that read input are not done (numbers {numbers}): `mmbert prepare work` them"
        )
    try:
        ledger.check(plan.settings.max_bad_fraction)
        if not ledger.kept:
            raise UserError(f"no document in the input: {ledger.to_json()['dropped']}")
    except UserError as error:
        write_json(folder.input_failed, {"error": str(error)})
        raise
    routed = Routed(ledger, dict(sorted(streams.items())))
    content = {name: asdict(stream) for name, stream in routed.streams.items()}
    write_json(folder.routed, {"ledger": ledger.state(), "streams": content}, indent=None)
    return routed


def _read(path: Path) -> Routed:
    content = json.loads(path.read_text(encoding="utf-8"))
    streams = {name: RoutedStream(**row) for name, row in content["streams"].items()}
    return Routed(Ledger.from_state(content["ledger"]), streams)
