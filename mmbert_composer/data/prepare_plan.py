"""What one ``prepare`` does, frozen in ``DATA/.prepare/plan.json``: a rerun continues it or is refused."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmbert_composer.data.atomic_write import write_json
from mmbert_composer.data.inputs.cldr import LICENCE as CLDR_LICENCE
from mmbert_composer.data.inputs.read_options import ReadOptions
from mmbert_composer.data.inputs.spec import InputSpec
from mmbert_composer.data.manifest import MANIFEST_NAME, TOKENIZER_FOLDER
from mmbert_composer.data.tokenizer_files import TokenizerFiles
from mmbert_composer.errors import UserError

PLAN_FORMAT = 1


@dataclass(frozen=True)
class WorkFolder:
    """Where a ``prepare`` keeps its state inside DATA."""

    root: Path

    @property
    def state(self) -> Path:
        """Everything below is ours and not part of the data."""
        return self.root / ".prepare"

    @property
    def plan(self) -> Path:
        """The frozen plan; there from the first moment on."""
        return self.state / "plan.json"

    @property
    def lock(self) -> Path:
        """Held while a process works here."""
        return self.state / "lock"

    @property
    def spill(self) -> Path:
        """Documents sorted into streams, until the end."""
        return self.state / "spill"

    @property
    def routed(self) -> Path:
        """Marker: every input was read into ``spill``; holds the ledger."""
        return self.state / "routed.json"

    @property
    def temporary(self) -> Path:
        """Streams being written; on the same file system as DATA, so that a rename publishes them."""
        return self.state / "tmp"

    @property
    def tokenizer(self) -> Path:
        """The copy of the tokenizer that all work uses."""
        return self.root / TOKENIZER_FOLDER

    @property
    def finished(self) -> bool:
        """Whether the manifest is there."""
        return (self.root / MANIFEST_NAME).is_file()

    def done(self, stream: str) -> Path:
        """Marker of a finished stream, with its counts and hashes; written last."""
        return self.state / "done" / f"{stream}.json"


def make_plan(
    inputs: list[InputSpec],
    tokenizer: TokenizerFiles,
    block_size: int,
    options: ReadOptions,
    max_bad_fraction: float,
    licence: str,
) -> dict[str, Any]:
    """Everything that the output depends on; the number of workers is not part of it.

    Raises UserError for numbers out of range.
    """
    if block_size < 16:
        raise UserError(f"block_size={block_size} must be at least 16")
    if not 0 <= max_bad_fraction < 1:
        raise UserError(f"max_bad_fraction={max_bad_fraction} must be in [0, 1)")
    return {
        "format": PLAN_FORMAT,
        "block_size": block_size,
        "tokenizer_hash": tokenizer.hash,
        "special_ids": tokenizer.special_ids,
        "inputs": [spec.identity() for spec in inputs],
        "options": options.to_json(),
        "max_bad_fraction": max_bad_fraction,
        "licence": licence,
        "source_licences": {options.source or "cldr": CLDR_LICENCE} if any(s.kind == "cldr" for s in inputs) else {},
    }


def licence_of(plan: dict[str, Any], stream: str) -> str:
    """The licence note of a stream: that of its source where we know it, else what the user said."""
    return plan["source_licences"].get(stream.rpartition("/")[0], plan["licence"])


def check_folder(folder: WorkFolder) -> None:
    """Raise UserError when DATA holds something that is not a ``prepare`` of ours."""
    if folder.state.is_dir():
        return
    if folder.root.exists() and (not folder.root.is_dir() or any(folder.root.iterdir())):
        raise UserError(f"{folder.root} holds something else: choose another --out; nothing was overwritten")


def claim_folder(folder: WorkFolder, plan: dict[str, Any]) -> None:
    """Make DATA the place of ``plan``, with its lock held.

    Until the input was read through, another plan loses nothing: an input that failed can be mended and read again.
    After that another plan raises UserError, having changed nothing.
    """
    if folder.routed.is_file() or folder.finished:
        try:
            old = json.loads(folder.plan.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise UserError(f"{folder.plan} is damaged: remove {folder.root} and prepare again") from None
        differences = plan_differences(old, plan)
        if differences:
            raise UserError(
                f"{folder.root} was prepared in another way: {'; '.join(differences)}. "
                "Choose another --out, or remove that folder first; nothing was changed"
            )
        return
    write_json(folder.plan, plan)


def plan_differences(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """What differs between two plans, in words: ``["block_size was 512, is 1024"]``."""
    found: list[str] = []
    for key in sorted(old.keys() | new.keys()):
        before, now = old.get(key), new.get(key)
        if before == now or key == "special_ids":
            continue
        if key == "inputs":
            found.extend(_input_differences(before or [], now or []))
        elif isinstance(before, dict) and isinstance(now, dict):
            found.extend(plan_differences(before, now))
        else:
            found.append(f"{key} was {before}, is {now}")
    return found


def _input_differences(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> list[str]:
    def kinds(inputs: list[dict[str, Any]]) -> list[str]:
        return [i["spec"].partition(":")[0] + (f" of babel {i['babel']}" if "babel" in i else "") for i in inputs]

    def files(inputs: list[dict[str, Any]]) -> dict[str, tuple[int, int]]:
        return {f["path"]: (f["size"], f["mtime_ns"]) for i in inputs for f in i.get("files", [])}

    before, now = files(old), files(new)
    found = [f"input {path} is new" for path in now if path not in before]
    found += [f"input {path} is missing" for path in before if path not in now]
    for path in before.keys() & now.keys():
        if before[path] != now[path]:
            found.append(f"input {path} changed ({before[path][0]:,} bytes then, {now[path][0]:,} now, or its date)")
    if not found and kinds(old) != kinds(new):
        found.append(f"inputs were {', '.join(kinds(old))}, are {', '.join(kinds(new))}")
    if not found and old != new and list(before) != list(now):
        # The order of inputs does not matter to the blocks, and a GLOB may be written in another way.
        return []
    return found[:5]
