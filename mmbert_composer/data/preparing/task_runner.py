"""Runs one task of a job, whichever process asks: skipped when done, wiped when half done, published by a rename."""

import json
import os
import shutil
import socket
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from mmbert_composer.data.atomic_write import publish_tree, write_json
from mmbert_composer.data.inputs.token_rules import TokenRules
from mmbert_composer.data.manifest import Manifest, read_manifest
from mmbert_composer.data.preparing.disk_space import DiskFullError, stop_when_full
from mmbert_composer.data.preparing.job_plan import JobPlan, load_plan
from mmbert_composer.data.preparing.known_hashes import SIDES, KnownHashes
from mmbert_composer.data.preparing.pack_unit import Before, Packer
from mmbert_composer.data.preparing.route_task import DONE_NAME, OnProgress, route
from mmbert_composer.data.preparing.routed import PackUnit, Routed, collect, deal
from mmbert_composer.data.preparing.sorted_spill import SortedSpill
from mmbert_composer.data.preparing.task_lock import is_locked, locked
from mmbert_composer.data.preparing.work_folder import WorkFolder
from mmbert_composer.data.text_encoder import TextEncoder
from mmbert_composer.data.tokenizer_files import tokenizer_facts
from mmbert_composer.errors import UserError

ROUTE, PACK = "route", "pack"


class TaskRunner:
    """The tasks of the job in ``folder`` by name: ``route/00003``, and ``pack/news/deu/00000`` once all is routed."""

    def __init__(self, folder: WorkFolder) -> None:
        self.folder = folder
        self.plan: JobPlan = load_plan(folder.plan)
        self._route_tasks = {f"{ROUTE}/{number:05}": task for number, task in enumerate(self.plan.route_tasks())}

    @property
    def route_names(self) -> list[str]:
        """All route tasks."""
        return list(self._route_tasks)

    @property
    def num_tasks(self) -> int:
        """Numbers that ``names`` takes."""
        return len(self._route_tasks) + self.plan.num_pack_tasks

    @cached_property
    def routed(self) -> Routed:
        """What the route tasks found; UserError while any of them is left."""
        return collect(self.folder, self.plan)

    @cached_property
    def units(self) -> dict[str, PackUnit]:
        """Pack units by task name, the largest first."""
        return {f"{PACK}/{unit.name}": unit for unit in self.routed.units(self.plan.settings.range_bytes)}

    def names(self, number: int) -> list[str]:
        """What task ``number`` of the plan consists of: one route task, or several pack units."""
        if not 0 <= number < self.num_tasks:
            raise UserError(f"task {number} does not exist: the plan in {self.folder.root} has {self.num_tasks} tasks")
        if number < len(self._route_tasks):
            return [self.route_names[number]]
        return [f"{PACK}/{unit.name}" for unit in self._dealt[number - len(self._route_tasks)]]

    @cached_property
    def _dealt(self) -> list[list[PackUnit]]:
        return deal(list(self.units.values()), self.plan.num_pack_tasks)

    def bytes(self, name: str) -> int:
        """Of input to read, or of text to pack."""
        return self.units[name].bytes if name.startswith(PACK) else self._route_tasks[name].bytes

    def is_done(self, name: str) -> bool:
        """Whether its result is there whole."""
        return (self.result(name) / DONE_NAME).is_file()

    def is_running(self, name: str) -> bool:
        """Whether a process is at work on it now."""
        return is_locked(self.folder.locks / _flat(name))

    def result(self, name: str) -> Path:
        """Folder of its result."""
        if name.startswith(PACK):
            return self.folder.units / self.units[name].name
        return self.folder.spill / self._route_tasks[name].id

    def failure(self, name: str) -> str | None:
        """Why the last try failed, or None when it did not."""
        try:
            return json.loads(self._failure_file(name).read_text(encoding="utf-8"))["error"]
        except FileNotFoundError:
            return None

    def left(self, names: Iterable[str]) -> list[str]:
        """Those that are not done."""
        return [name for name in names if not self.is_done(name)]

    def run(self, name: str, on_progress: OnProgress) -> None:
        """Do the task if it is not done.

        Raises UserError for bad input and when another process has it, DiskFullError when there is no room; either
        way nothing half done is left.
        """
        if self.is_done(name):
            return
        with locked(self.folder.locks / _flat(name), f"at work on {name}"):
            if self.is_done(name):
                return
            for stale in self.folder.temporary.glob(f"{_flat(name)}.*"):
                shutil.rmtree(stale, ignore_errors=True)
            temporary = self.folder.temporary / f"{_flat(name)}.{socket.gethostname()}-{os.getpid()}"
            try:
                with stop_when_full(self.folder.root, self._text_left(name)):
                    self._work(name, temporary, on_progress)
                    publish_tree(temporary, self.result(name))
            except DiskFullError:
                shutil.rmtree(temporary, ignore_errors=True)
                raise
            except Exception as error:
                shutil.rmtree(temporary, ignore_errors=True)
                self.record_failure(name, str(error) if isinstance(error, UserError) else repr(error))
                raise
            self._failure_file(name).unlink(missing_ok=True)

    def record_failure(self, name: str, why: str) -> None:
        """Note why a task failed, for ``status``, and so that its input may be mended."""
        self.folder.failed.mkdir(exist_ok=True)
        write_json(self._failure_file(name), {"task": name, "error": why})

    def _work(self, name: str, temporary: Path, on_progress: OnProgress) -> None:
        temporary.mkdir(parents=True)
        if not name.startswith(PACK):
            route(self._route_tasks[name], self._rules, temporary, on_progress)
            return
        unit = self.units[name]
        names = [self.route_names[number] for number in self.routed.streams[unit.stream].tasks]
        spills = [SortedSpill(self.result(name)) for name in names]
        self._packer.run(unit, spills, self._before(unit.stream), temporary, on_progress)

    @cached_property
    def _rules(self) -> TokenRules:
        return TokenRules.of(tokenizer_facts(self.folder.tokenizer))

    @cached_property
    def _packer(self) -> Packer:
        settings = self.plan.settings
        encoder = TextEncoder(self.folder.tokenizer)
        return Packer(encoder, settings.block_size, settings.dedup, settings.max_documents)

    @cached_property
    def _base(self) -> Manifest | None:
        return read_manifest(self.folder.base, self.folder.root) if self.folder.base.is_file() else None

    def _before(self, stream: str) -> Before:
        parts = self.folder.finished_parts() if self._base else []
        entry = self._base.streams.get(stream) if self._base else None
        trained, held_out = (KnownHashes.of_stream(self.folder, parts, stream, side) for side in SIDES)
        return Before(trained, held_out, entry.documents if entry else 0, entry.heldout_blocks if entry else 0)

    def _text_left(self, name: str) -> int:
        if not name.startswith(PACK):
            return self.plan.text_bytes
        return sum(self.bytes(other) for other in self.left(self.units))

    def _failure_file(self, name: str) -> Path:
        return self.folder.failed / f"{_flat(name)}.json"


def _flat(name: str) -> str:
    return name.replace("/", "--")
