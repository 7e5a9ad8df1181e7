"""Text to blocks on one machine: plan, route, work on every stream, finalize. A rerun skips what is done."""

import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from mmbert_composer.data.atomic_write import write_json
from mmbert_composer.data.inputs.document import Document
from mmbert_composer.data.inputs.read_options import ReadOptions
from mmbert_composer.data.inputs.spec import InputSpec, parse_inputs
from mmbert_composer.data.languages import bare_and_scripted
from mmbert_composer.data.ledger import Ledger
from mmbert_composer.data.manifest import FORMAT, Manifest, StreamEntry, load_manifest
from mmbert_composer.data.prepare_plan import WorkFolder, check_folder, claim_folder, licence_of, make_plan
from mmbert_composer.data.prepare_progress import PrepareProgress
from mmbert_composer.data.spill import SpillWriter
from mmbert_composer.data.stream_task import StreamTask, read_done
from mmbert_composer.data.tokenizer_files import TokenizerFiles
from mmbert_composer.data.worker_pool import WorkerPool
from mmbert_composer.errors import UserError

Say = Callable[[str], None]


def prepare(
    inputs: Sequence[str],
    tokenizer: str | Path,
    out: str | Path,
    block_size: int = 8192,
    workers: int = 1,
    *,
    options: ReadOptions | None = None,
    max_bad_fraction: float = 0.001,
    licence: str = "",
    say: Say = print,
    show_progress: bool = False,
) -> Manifest:
    """Turn the text of ``inputs`` (SPECs) into blocks of ``block_size`` tokens under ``out``.

    ``workers``: processes, one stream each at a time; 1 works in this process. The blocks are the same for any number.
    ``max_bad_fraction``: of input lines; more bad ones fail the job before anything is encoded (one is always allowed
    unless it is 0). ``say`` gets one line for each thing a person should know. Raises UserError for bad input, for an
    ``out`` that holds something else, and when a rerun's inputs or settings differ from those of the first run.
    """
    if workers < 1:
        raise UserError(f"workers={workers} must be at least 1")
    options = options or ReadOptions()
    files = TokenizerFiles(tokenizer)
    specs = parse_inputs(inputs, options)
    folder = WorkFolder(Path(out))
    plan = make_plan(specs, files, block_size, options, max_bad_fraction, licence)
    check_folder(folder)
    folder.state.mkdir(parents=True, exist_ok=True)
    with _locked(folder), PrepareProgress(show_progress) as progress:
        claim_folder(folder, plan)
        if folder.finished:
            manifest = load_manifest(folder.root)
            say(f"{folder.root}: {len(manifest.streams)} streams were prepared already; nothing to do")
            return manifest
        _copy_tokenizer(files.folder, folder.tokenizer)
        ledger = route(folder, specs, options, max_bad_fraction, say, progress)
        work(folder, ledger["streams"], workers, say, progress)
        return finalize(folder, plan, ledger, say)


def route(
    folder: WorkFolder,
    specs: Sequence[InputSpec],
    options: ReadOptions,
    max_bad_fraction: float,
    say: Say,
    progress: PrepareProgress,
) -> dict[str, Any]:
    """Read every input once, its documents into one spill file a stream; the ledger, with the streams and their sizes.

    What an interrupted run had read is read again; what a complete one had is not.
    """
    if folder.routed.is_file():
        say(f"{folder.root}: input was read already; not read again")
        return json.loads(folder.routed.read_text(encoding="utf-8"))
    for path in (folder.spill, folder.temporary, folder.state / "done"):
        shutil.rmtree(path, ignore_errors=True)
    folder.spill.mkdir()
    ledger, spill = Ledger(), SpillWriter(folder.spill)
    for spec in specs:
        progress.start_reading(spec.spec)
        for record in spec.read(options):
            ledger.count(record)
            if isinstance(record, Document):
                spill.add(record.stream, record.text)
                progress.read_document()
    spill.flush()
    ledger.check(max_bad_fraction)
    if not ledger.kept:
        raise UserError(f"no document in {', '.join(spec.spec for spec in specs)}: {ledger.to_json()['dropped']}")
    for line in _notes(ledger):
        say(line)
    content = {
        "ledger": ledger.to_json(),
        "streams": dict(sorted(ledger.kept.items())),
        "dropped_by_stream": {name: dict(sorted(c.items())) for name, c in sorted(ledger.dropped_by_stream.items())},
    }
    write_json(folder.routed, content)
    return content


def work(folder: WorkFolder, streams: Sequence[str], workers: int, say: Say, progress: PrepareProgress) -> None:
    """Prepare every stream that has no done marker, the largest first. Raises UserError naming those that failed."""
    sizes = {stream: Path(f"{folder.spill / stream}.text").stat().st_size for stream in streams}
    todo = [stream for stream in streams if read_done(folder, stream) is None]
    if len(todo) < len(sizes):
        say(f"{folder.root}: {len(sizes) - len(todo)} of {len(sizes)} streams were prepared already; skipped")
    todo.sort(key=lambda stream: (-sizes[stream], stream))
    progress.start_work(sum(sizes[stream] for stream in todo), len(todo))
    if workers == 1:
        task = StreamTask(folder)
        for stream in todo:
            task.run(stream, progress.advance)
        return
    failed = WorkerPool(folder, min(workers, max(1, len(todo))), progress.advance).run(todo)
    if failed:
        first = "; ".join(f"{stream}: {why}" for stream, why in list(failed.items())[:3])
        raise UserError(
            f"{len(failed)} of {len(todo)} streams failed: {first}. The others are done; the same command continues"
        )


def finalize(folder: WorkFolder, plan: dict[str, Any], routed: dict[str, Any], say: Say) -> Manifest:
    """The manifest from the done markers, written last; then the spill files go. Raises UserError if any is missing."""
    entries: dict[str, StreamEntry] = {}
    for stream in routed["streams"]:
        entry = read_done(folder, stream)
        if entry is None:
            raise UserError(f"stream {stream} is not done: run the same `mmbert prepare run` again")
        entries[stream] = entry
    ledger = dict(routed["ledger"])
    for stream, drops in routed["dropped_by_stream"].items():
        entry = entries.get(stream, StreamEntry(stream, licence=licence_of(plan, stream)))
        entries[stream] = replace(entry, drops={**drops, **entry.drops})
    unused = sum(
        sum(e.drops.values()) - sum(routed["dropped_by_stream"].get(n, {}).values()) for n, e in entries.items()
    )
    if unused:
        ledger["kept"] -= unused
        ledger["dropped"] = {**ledger["dropped"], "stream without a training document": unused}
    ledger["training"] = sum(entry.documents for entry in entries.values())
    ledger["heldout"] = sum(entry.heldout_documents for entry in entries.values())
    assert ledger["kept"] == ledger["training"] + ledger["heldout"], f"documents lost: {ledger}"
    files = TokenizerFiles(folder.tokenizer)
    manifest = Manifest(
        root=folder.root,
        format=FORMAT,
        block_size=plan["block_size"],
        tokenizer_hash=plan["tokenizer_hash"],
        special_ids=files.special_ids,
        vocab_size=files.vocab_size,
        special_token_ids=files.special_token_ids,
        streams=dict(sorted(entries.items())),
        ledger=ledger,
    )
    manifest.save()
    for path in (folder.spill, folder.temporary, folder.state / "logs"):
        shutil.rmtree(path, ignore_errors=True)
    empty = [name for name, entry in manifest.streams.items() if entry.blocks == 0]
    if empty:
        say(f"{len(empty):,} streams without a training block are listed in manifest.json, not written: {_some(empty)}")
    return manifest


def _notes(ledger: Ledger) -> Iterator[str]:
    bad = ledger.bad_lines.total()
    if bad:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in ledger.bad_lines.most_common())
        yield f"{bad:,} of {ledger.lines:,} input lines left out ({reasons}); first: {'; '.join(ledger.first_bad)}"
    for reason, count in sorted((ledger.dropped - ledger.bad_lines).items()):
        streams = sorted(name for name, drops in ledger.dropped_by_stream.items() if drops[reason])
        yield f"{count:,} documents dropped, {reason}: {_some(streams)}"
    for language, scripted in bare_and_scripted(stream.rpartition("/")[2] for stream in ledger.kept).items():
        yield f"language {language} also occurs as {', '.join(scripted)}: these are different streams"


def _some(names: Sequence[str], count: int = 8) -> str:
    more = f" and {len(names) - count:,} more" if len(names) > count else ""
    return ", ".join(names[:count]) + more


def _copy_tokenizer(source: Path, target: Path) -> None:
    names = (
        "tokenizer.json",
        "tokenizer_config.json",
        "special_tokens_map.json",
        "added_tokens.json",
        "tokenizer.model",
    )
    target.mkdir(exist_ok=True)
    for name in names:
        if (source / name).is_file():
            shutil.copyfile(source / name, target / name)


@contextmanager
def _locked(folder: WorkFolder) -> Iterator[None]:
    """Hold DATA for this process; the lock ends with the process, however that ends."""
    with folder.lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UserError(f"another process is preparing {folder.root}: wait for it or stop it") from None
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield
