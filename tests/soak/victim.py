"""A run that is killed again and again, and started again by the same command."""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmbert_composer.checkpoints.list_checkpoints import named_checkpoints
from mmbert_composer.curriculum import Curriculum
from tests.soak.disk import full_disk
from tests.soak.faults import KILLS, SIGNALS, WHERE, Fault, damage_newest
from tests.soak.process_group import ProcessGroup, launch
from tests.soak.schedule import AT_ONCE, FULL_DISK
from tests.soak.watch import Watch, resumed_from

NOT_SAVED = "no checkpoint was written"
"""What the log says of a save that a full disk refused."""


@dataclass(frozen=True)
class Row:
    """What was done to one process group, and what came back."""

    fault: Fault
    resumed: int
    """The step it went on from."""
    step: int
    """The last step it logged; 0 if it logged none."""
    code: int
    """The launcher's exit code; negative: the signal that killed it."""
    imported: float | None
    """Seconds from its start until all ranks had done their imports."""
    first_step: float | None
    """Seconds from its start to its first step's end."""
    seconds: float
    """Until everything of it was gone."""
    trouble: str
    """Why this is not as it should be, or ""."""


class Victim:
    """One run and all its process groups.

    Args:
        name: of its files in ``place``.
        disk: where its run folder is; ``mounted``: whether that is a disk of its own.
    """

    def __init__(
        self, name: str, yaml: Path, curriculum: Curriculum, place: Path, *, disk: Path, mounted: bool, seed: int
    ) -> None:
        self.name, self.yaml, self.curriculum, self.place = name, yaml, curriculum, place
        self.disk, self.mounted = disk, mounted
        self.folder = disk / name
        self.source = random.Random(f"{seed}-{name}")
        self.starts = 0
        self._before: ProcessGroup | None = None
        """What was started last; parts of it may still be dying when the next is started at once."""

    def watch(self, ranks: int) -> Watch:
        """Start it, every second time with another temporary folder."""
        self.starts += 1
        temporary = self.place / f"{self.name}-tmp-{self.starts // 2}"
        temporary.mkdir(exist_ok=True)
        log = self.place / f"{self.name}-{self.starts:02}-on-{ranks}.log"
        group = launch(ranks, self.yaml, self.folder, log, environment={"TMPDIR": str(temporary)})
        return Watch(group, self.folder, self.curriculum, self.source)

    def suffer(self, faults: Sequence[Fault]) -> Iterator[Row]:
        """Go through the faults, one start each."""
        for fault in faults:
            damaged = None
            if fault.damage:
                self._bury()  # else it might still write
                damaged = damage_newest(self.folder, fault.damage, self.source)
            watch = self.watch(fault.ranks)
            try:
                trouble = self._happen(watch, fault)
                code = watch.group.launcher.wait() if fault.what == AT_ONCE else watch.group.wait()
            except TimeoutError as error:
                trouble, code = str(error), -9
            finally:
                self._bury()
            self._before = watch.group
            resumed = resumed_from(self.folder)
            if damaged is not None and watch.first_step is not None and resumed >= damaged:
                trouble = f"{fault.damage} at step {damaged}, yet it went on from {resumed}"
            yield self._row(watch, fault, resumed, code, trouble)

    def _bury(self) -> None:
        """Wait until the group before is gone."""
        if self._before is not None:
            self._before.wait()
            self._before = None

    def finish(self, ranks: int, where: str) -> Row:
        """Start it and let it come to its end."""
        watch = self.watch(ranks)
        watch.until(lambda: watch.step() < 0)  # notes the first step on the way
        code = watch.group.wait()
        trouble = f"exit code {code}" if code else ""
        return self._row(watch, Fault(0, ranks, where, "nothing"), resumed_from(self.folder), code, trouble)

    def _row(self, watch: Watch, fault: Fault, resumed: int, code: int, trouble: str) -> Row:
        step, seconds = watch.step(), time.time() - watch.group.begin
        return Row(fault, resumed, step, code, watch.imported, watch.first_step, seconds, trouble)

    def _happen(self, watch: Watch, fault: Fault) -> str:
        """Wait for the moment and do it; what is wrong with what followed, or ""."""
        if not WHERE[fault.where](watch, fault.step):
            return f"ended by itself with exit code {watch.group.launcher.poll()} before it was hit"
        deeds: dict[str, Callable[[Watch], None]] = {**KILLS, **SIGNALS}
        if fault.what == FULL_DISK:
            return self._fill_the_disk(watch)
        deeds[fault.what](watch)
        if fault.what not in SIGNALS:
            return ""
        watch.group.wait()
        saved = {file.batch for file in named_checkpoints(self.folder)}
        return "" if watch.step() in saved else f"stopped at step {watch.step()}, which has no checkpoint"

    def _fill_the_disk(self, watch: Watch) -> str:
        """Train on a full disk until a save fails, then with room again until one does not, then kill everything."""
        with full_disk(self.disk, mounted=self.mounted, group=watch.group):
            before = named_checkpoints(self.folder)
            if not watch.until(lambda: NOT_SAVED in watch.group.log.read_text()):
                return f"the full disk ended it with exit code {watch.group.launcher.poll()}"
            if named_checkpoints(self.folder) != before:
                return "checkpoints changed while the disk was full"
        saved = watch.until(lambda: named_checkpoints(self.folder)[-1].batch > before[-1].batch)
        watch.group.kill_all()
        return "" if saved else "no checkpoint after the disk had room again"
