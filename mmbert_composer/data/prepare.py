"""Text to blocks: plan, read every input, pack every stream, finish. A rerun goes on where the last one was stopped."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from mmbert_composer.data.inputs.read_options import ReadOptions
from mmbert_composer.data.inputs.spec import InputSpec, parse_inputs
from mmbert_composer.data.languages import bare_and_scripted
from mmbert_composer.data.ledger import Ledger
from mmbert_composer.data.manifest import Manifest, load_manifest
from mmbert_composer.data.preparing.claim_folder import check_folder, claim_folder
from mmbert_composer.data.preparing.disk_space import check_space, stop_when_full
from mmbert_composer.data.preparing.finish_job import finish_job
from mmbert_composer.data.preparing.job_plan import Settings, make_plan
from mmbert_composer.data.preparing.local_engine import local_engine
from mmbert_composer.data.preparing.progress import PrepareProgress
from mmbert_composer.data.preparing.route_task import OnProgress
from mmbert_composer.data.preparing.task_lock import locked
from mmbert_composer.data.preparing.task_runner import TaskRunner
from mmbert_composer.data.preparing.work_folder import WorkFolder
from mmbert_composer.data.tokenizer_files import tokenizer_facts
from mmbert_composer.errors import UserError

Say = Callable[[str], None]
Engine = Callable[[TaskRunner, Sequence[str], OnProgress], dict[str, str]]
"""Works on tasks by name and gives those that failed, with why."""


@dataclass(frozen=True)
class PrepareRequest:
    """What is asked for: text, a tokenizer, and where to."""

    inputs: Sequence[InputSpec]
    """Each with its own ``ReadOptions``."""
    tokenizer: str | Path
    out: str | Path
    settings: Settings = field(default_factory=Settings)
    append: bool = False
    """Add a part to data that is there."""
    task_bytes: int | None = None
    """Input of a task; None: 2 GB, less for a small job. The blocks are the same for any number."""


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
    dedup: bool = False,
    max_documents: int | None = None,
    append: bool = False,
    say: Say = print,
    show_progress: bool = False,
) -> Manifest:
    """Turn the text of ``inputs`` (SPECs) into blocks of ``block_size`` tokens under ``out``.

    ``workers``: processes, one task each at a time; 1 works in this process. The blocks are the same for any number.
    The other arguments are those of ``ReadOptions``, ``Settings`` and ``PrepareRequest``. ``say`` gets one line for
    each thing a person should know. Raises UserError for bad input, for an ``out`` that holds something else, and when
    a rerun's inputs or settings differ from those of the first run.
    """
    engine = local_engine(workers)
    options = options or ReadOptions()
    specs = parse_inputs(inputs, replace(options, licence=licence or options.licence))
    settings = Settings(block_size, max_bad_fraction, dedup, max_documents)
    return run_job(PrepareRequest(specs, tokenizer, out, settings, append), engine, say, show_progress)


def run_job(request: PrepareRequest, engine: Engine, say: Say = print, show_progress: bool = False) -> Manifest:
    """Plan, or go on with what was planned; then all the work by ``engine``."""
    with claimed(request, say) as runner:
        if runner is None:
            manifest = load_manifest(request.out)
            say(f"{request.out}: {len(manifest.streams)} streams were prepared already; nothing to do")
            return manifest
        with PrepareProgress(show_progress) as progress:
            work(runner, engine, say, progress)
        return _finish(runner, say)


def finish(data: str | Path, say: Say = print) -> Manifest:
    """Make the data of a job whose tasks are all done. Raises UserError when they are not."""
    folder = WorkFolder(Path(data))
    if not folder.plan.is_file() and folder.finished_parts():
        say(f"{data}: finished already")
        return load_manifest(data)
    runner = TaskRunner(folder)
    with stop_when_full(folder.root, runner.plan.text_bytes), _held(folder):
        return _finish(runner, say)


@contextmanager
def _held(folder: WorkFolder) -> Iterator[None]:
    folder.state.mkdir(parents=True, exist_ok=True)
    with locked(folder.lock, f"preparing {folder.root}"):
        yield


def _finish(runner: TaskRunner, say: Say) -> Manifest:
    manifest = finish_job(runner)
    empty = [name for name, entry in manifest.streams.items() if entry.blocks == 0]
    if empty:
        say(f"{len(empty):,} streams without a training block are listed in manifest.json, not written: {_some(empty)}")
    return manifest


@contextmanager
def claimed(request: PrepareRequest, say: Say) -> Iterator[TaskRunner | None]:
    """Hold DATA for a request, planned or found planned; None where it was finished before."""
    facts = tokenizer_facts(request.tokenizer)  # one that lacks a special token is refused here
    folder = WorkFolder(Path(request.out))
    check_folder(folder)
    plan = make_plan(request.inputs, facts.hash, request.settings, "0000", request.task_bytes)
    is_new, has_data = not folder.plan.is_file(), folder.has_data
    warning = check_space(folder.root, plan.text_bytes) if is_new and not has_data else None
    with stop_when_full(folder.root, plan.text_bytes), _held(folder):
        if not claim_folder(folder, plan, Path(request.tokenizer), request.append, say):
            yield None
            return
        if is_new:
            warning = warning or check_space(folder.root, plan.text_bytes)
            for line in (*(note for spec in request.inputs for note in spec.notes), *([warning] if warning else [])):
                say(line)
        yield TaskRunner(folder)


def work(runner: TaskRunner, engine: Engine, say: Say, progress: PrepareProgress) -> None:
    """Do every task that is not done. Raises UserError naming those that failed, when the others are done."""
    root = runner.folder.root
    if runner.folder.routed.is_file():
        say(f"{root}: input was read already; not read again")
    else:
        _stage(runner, runner.route_names, "tasks that read input", engine, say, progress)
        for line in _notes(runner.routed.ledger):
            say(line)
        warning = check_space(root, sum(stream.bytes for stream in runner.routed.streams.values()))
        if warning:
            say(warning)
    whole = len(runner.units) == len(runner.routed.streams)
    _stage(runner, list(runner.units), "streams" if whole else "ranges of streams", engine, say, progress)


def _stage(
    runner: TaskRunner, names: Sequence[str], what: str, engine: Engine, say: Say, progress: PrepareProgress
) -> None:
    todo = runner.left(names)
    if len(todo) < len(names):
        say(f"{runner.folder.root}: {len(names) - len(todo)} of {len(names)} {what} were done already; skipped")
    if not todo:
        return
    progress.start(f"{len(todo):,} {what}", sum(map(runner.bytes, todo)))
    failed = engine(runner, todo, progress.advance)
    if failed:
        first = "; ".join(f"{name}: {why}" for name, why in list(failed.items())[:3])
        raise UserError(
            f"{len(failed)} of {len(todo)} {what} failed: {first}. The others are done; the same command goes on"
        )


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
