"""Where a ``prepare`` keeps its state inside DATA."""

from dataclasses import dataclass
from pathlib import Path

from mmbert_composer.data.manifest import MANIFEST_NAME, TOKENIZER_FOLDER


@dataclass(frozen=True)
class WorkFolder:
    """DATA and what is in ``DATA/.prepare``: one job's state, and what is kept of the jobs before it."""

    root: Path

    @property
    def state(self) -> Path:
        """Everything below is ours and not part of the data."""
        return self.root / ".prepare"

    @property
    def lock(self) -> Path:
        """Held while a ``run`` works here."""
        return self.state / "lock"

    @property
    def plan(self) -> Path:
        """The frozen plan of the job."""
        return self.state / "plan.json"

    @property
    def base(self) -> Path:
        """The manifest that the job adds to; absent for the first part."""
        return self.state / "base.json"

    @property
    def spill(self) -> Path:
        """Finished route tasks, one folder each."""
        return self.state / "spill"

    @property
    def routed(self) -> Path:
        """Marker: every input was read into ``spill``; holds the ledger and the streams."""
        return self.state / "routed.json"

    @property
    def input_failed(self) -> Path:
        """Marker: all was read and too much was bad; inputs or settings may change now."""
        return self.state / "input-failed.json"

    @property
    def units(self) -> Path:
        """Finished pack units, one folder each."""
        return self.state / "units"

    @property
    def temporary(self) -> Path:
        """Work in hand; on the same file system as DATA, so that a rename publishes it."""
        return self.state / "tmp"

    @property
    def locks(self) -> Path:
        """One file a task at work."""
        return self.state / "locks"

    @property
    def failed(self) -> Path:
        """Why tasks failed, one file each."""
        return self.state / "failed"

    @property
    def logs(self) -> Path:
        """What worker processes print."""
        return self.state / "logs"

    @property
    def slurm(self) -> Path:
        """Scripts of ``--engine slurm`` and what its jobs print."""
        return self.state / "slurm"

    @property
    def committing(self) -> Path:
        """Marker: indexes and manifest are being put in place."""
        return self.state / "committing"

    @property
    def tokenizer(self) -> Path:
        """The copy of the tokenizer that all work uses."""
        return self.root / TOKENIZER_FOLDER

    @property
    def has_data(self) -> bool:
        """Whether the manifest is there."""
        return (self.root / MANIFEST_NAME).is_file()

    @property
    def passing(self) -> list[Path]:
        """What a finished job leaves nothing of, the plan last: while it is there, there is more."""
        folders = [self.spill, self.units, self.temporary, self.locks, self.failed, self.logs, self.slurm]
        return [*folders, self.base, self.routed, self.input_failed, self.plan]

    def part(self, name: str) -> Path:
        """What is kept of a finished part: its plan (written last) and the hashes of its documents."""
        return self.state / "parts" / name

    def finished_parts(self) -> list[str]:
        """Names of the parts that are in the data, in order."""
        return sorted(path.parent.name for path in (self.state / "parts").glob("*/plan.json"))
