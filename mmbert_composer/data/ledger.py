"""Counts of what was read, kept and dropped, by reason: in == kept + dropped."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

from mmbert_composer.data.inputs.document import Document, Record, Skipped, TokenBatch
from mmbert_composer.errors import UserError

NAMED_LINES = 5


@dataclass
class Ledger:
    """What reading gave, over all inputs."""

    lines: int = 0
    """Lines (rows of a table) read, bad ones included."""
    documents: int = 0
    """Records read: documents kept and records dropped."""
    kept: Counter[str] = field(default_factory=Counter)
    """Documents kept, by stream."""
    dropped: Counter[str] = field(default_factory=Counter)
    """Records dropped, by reason."""
    bad_lines: Counter[str] = field(default_factory=Counter)
    """Lines that count against ``max_bad_fraction``, by reason: bad records, and lines left out of kept texts."""
    dropped_by_stream: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    """Records dropped, by stream where it is known and by reason."""
    first_bad: list[str] = field(default_factory=list)
    """The first bad lines, as ``file:line: reason (detail)``."""

    def count(self, record: Record) -> None:
        """Enter one record of a reader."""
        if isinstance(record, Document):
            self.lines += record.lines
            self.documents += 1
            self.kept[record.stream] += 1
            return
        if isinstance(record, TokenBatch):
            count = len(record.sequences)
            self.lines += count
            self.documents += count
            self.kept[record.stream] += count
            return
        self.lines += 1
        if record.record:
            self.documents += 1
            self.dropped[record.reason] += 1
            if record.stream:
                self.dropped_by_stream[record.stream][record.reason] += 1
        if record.bad:
            self._count_bad(record)

    def add(self, other: "Ledger") -> None:
        """Enter all of another ledger, whose input comes after this one's."""
        self.lines += other.lines
        self.documents += other.documents
        self.kept += other.kept
        self.dropped += other.dropped
        self.bad_lines += other.bad_lines
        for stream, drops in other.dropped_by_stream.items():
            self.dropped_by_stream[stream] += drops
        self.first_bad = [*self.first_bad, *other.first_bad][:NAMED_LINES]

    def _count_bad(self, skipped: Skipped) -> None:
        self.bad_lines[skipped.reason] += 1
        if len(self.first_bad) < NAMED_LINES:
            detail = f" ({skipped.detail})" if skipped.detail else ""
            self.first_bad.append(f"{skipped.where}: {skipped.reason}{detail}")

    def check(self, max_bad_fraction: float) -> None:
        """Raise UserError when more lines are bad than allowed: ``max_bad_fraction`` of all, at least one above 0."""
        assert self.documents == self.kept.total() + self.dropped.total(), "records lost while reading"
        allowed = max(1, int(max_bad_fraction * self.lines)) if max_bad_fraction > 0 else 0
        bad = self.bad_lines.total()
        if bad > allowed:
            reasons = ", ".join(f"{count:,} {reason}" for reason, count in self.bad_lines.most_common())
            more = f" and {bad - len(self.first_bad):,} more" if bad > len(self.first_bad) else ""
            raise UserError(
                f"{bad:,} of {self.lines:,} input lines are bad ({reasons}), more than the {allowed:,} allowed by "
                f"max-bad-fraction {max_bad_fraction:g}; first: {'; '.join(self.first_bad)}{more}. "
                "Mend them, or raise --max-bad-fraction"
            )

    def state(self) -> dict[str, Any]:
        """Everything, as plain values for ``from_state``."""
        return {
            **self.to_json(),
            "kept": dict(sorted(self.kept.items())),
            "dropped_by_stream": {name: dict(sorted(c.items())) for name, c in sorted(self.dropped_by_stream.items())},
        }

    @staticmethod
    def from_state(content: dict[str, Any]) -> "Ledger":
        """The ledger whose ``state`` this is."""
        by_stream = {name: Counter(drops) for name, drops in content["dropped_by_stream"].items()}
        return Ledger(
            lines=content["lines"],
            documents=content["documents"],
            kept=Counter(content["kept"]),
            dropped=Counter(content["dropped"]),
            bad_lines=Counter(content["bad_lines"]),
            dropped_by_stream=defaultdict(Counter, by_stream),
            first_bad=list(content["first_bad"]),
        )

    def to_json(self) -> dict[str, Any]:
        """Plain counts over all streams, for the manifest."""
        return {
            "lines": self.lines,
            "documents": self.documents,
            "kept": self.kept.total(),
            "dropped": dict(sorted(self.dropped.items())),
            "bad_lines": dict(sorted(self.bad_lines.items())),
            "first_bad": self.first_bad,
        }
