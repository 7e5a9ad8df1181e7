"""``mmbert prepare``: text to blocks, and what is in a data folder."""

import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmbert_composer.cli.prepare_options import with_request

if TYPE_CHECKING:
    from mmbert_composer.data.manifest import Manifest
    from mmbert_composer.data.prepare import PrepareRequest
    from mmbert_composer.data.preparing.slurm_engine import SlurmOptions

app = typer.Typer(no_args_is_help=True)

Data = Annotated[Path, typer.Argument(metavar="DATA", help="A folder that `mmbert prepare run` made.")]
Planned = Annotated[Path, typer.Argument(metavar="DATA", help="A folder that `mmbert prepare plan` or `run` claimed.")]

_SLURM, _RAY = "With --engine slurm", "With --engine ray"


class Engine(StrEnum):
    """Where the tasks run."""

    LOCAL = "local"
    SLURM = "slurm"
    RAY = "ray"


@app.command()
@with_request
def run(
    request: "PrepareRequest",
    engine: Annotated[
        Engine,
        typer.Option(help="local: processes of this machine. slurm: array jobs. ray: a Ray cluster."),
    ] = Engine.LOCAL,
    workers: Annotated[
        int | None, typer.Option(help="Processes; the blocks are the same for any number.", show_default="one a CPU")
    ] = None,
    address: Annotated[
        str, typer.Option(help="Of the cluster: auto, HOST:PORT, ray://HOST:10001.", rich_help_panel=_RAY)
    ] = "auto",
    partition: Annotated[str | None, typer.Option(rich_help_panel=_SLURM)] = None,
    time: Annotated[
        str | None, typer.Option(help="Limit of an array element, as 8:00:00.", rich_help_panel=_SLURM)
    ] = None,
    memory: Annotated[str, typer.Option(help="Of an array element.", rich_help_panel=_SLURM)] = "4G",
    max_elements: Annotated[
        int | None,
        typer.Option(
            help="Elements of an array; each works on its tasks one after the other.",
            show_default="as many as the cluster allows",
            rich_help_panel=_SLURM,
        ),
    ] = None,
    max_running: Annotated[int | None, typer.Option(help="Elements at the same time.", rich_help_panel=_SLURM)] = None,
    sbatch: Annotated[
        list[str] | None,
        typer.Option(
            metavar="OPTION", help="One more option of sbatch: --sbatch=--account=me.", rich_help_panel=_SLURM
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Write the scripts, submit nothing.", rich_help_panel=_SLURM)
    ] = False,
) -> None:
    """Tokenize text and pack it into blocks, one stream of shards a language and source.

    Run again, it goes on where it was stopped; with other inputs or settings it refuses.

    The same in steps, for a cluster of any kind: `plan`, then `work --task N` for every number that it prints, the
    numbers that read input before those that pack; then `finalize`.
    """
    from mmbert_composer.data.prepare import run_job

    if engine is Engine.SLURM:
        from mmbert_composer.data.preparing.slurm_engine import SlurmOptions

        _submit(
            request,
            SlurmOptions(partition, time, memory, max_elements, max_running, tuple(sbatch or ())),
            dry_run=dry_run,
        )
        return
    if engine is Engine.RAY:
        from mmbert_composer.data.preparing.ray_engine import ray_engine

        chosen = ray_engine(address)
    else:
        from mmbert_composer.data.preparing.local_engine import local_engine

        chosen = local_engine(workers or len(os.sched_getaffinity(0)))
    _show(run_job(request, chosen, say=typer.echo, show_progress=True))


@app.command()
@with_request
def plan(request: "PrepareRequest") -> None:
    """Freeze what `run` would do into tasks that any process on any machine can work on.

    Writes DATA/.prepare/plan.json. A folder that was planned in another way is refused, naming what differs.
    """
    from mmbert_composer.data.prepare import claimed
    from mmbert_composer.data.preparing.disk_space import expected_bytes, size

    with claimed(request, typer.echo) as runner:
        if runner is None:
            typer.echo(f"{request.out}: this was prepared already; nothing to do")
            return
        plan, reading = runner.plan, len(runner.route_names)
        typer.echo(
            f"{request.out}: part {plan.part} of {size(plan.input_bytes)} of input, about {size(plan.text_bytes)} of "
            f"text; about {size(expected_bytes(plan.text_bytes))} of disk\n"
            f"  tasks 0 to {reading - 1} read input; tasks {reading} to {runner.num_tasks - 1} pack, when those are "
            "done\n"
            f"  mmbert prepare work {request.out} --task N; at last mmbert prepare finalize {request.out}"
        )


@app.command()
def work(
    data: Planned,
    task: Annotated[list[int], typer.Option(help="Number of a task; may be repeated.")],
) -> None:
    """Work on tasks of a plan, one after the other. What is done is skipped, what was half done is wiped.

    Any number of these may run at the same time, each on other tasks. Fails when one of its tasks fails, after it has
    tried the others.
    """
    from mmbert_composer.data.preparing.local_engine import run_here
    from mmbert_composer.data.preparing.task_runner import TaskRunner
    from mmbert_composer.data.preparing.work_folder import WorkFolder
    from mmbert_composer.errors import UserError

    runner = TaskRunner(WorkFolder(data))
    names = [name for number in task for name in runner.names(number)]
    todo = runner.left(names)
    failed = run_here(runner, todo, lambda num_bytes, num_tokens: None)
    if failed:
        raise UserError("; ".join(f"{name}: {why}" for name, why in failed.items()))
    skipped = f", {len(names) - len(todo)} were done before" if len(todo) < len(names) else ""
    typer.echo(f"{data}: {len(todo)} done{skipped}")


@app.command()
def finalize(data: Planned) -> None:
    """Make the data of a plan whose tasks are all done: put shards and indexes in place, write the manifest."""
    from mmbert_composer.data.prepare import finish

    _show(finish(data, say=typer.echo))


@app.command()
def status(data: Planned) -> None:
    """Show how far a plan is: tasks done, running, failed and left."""
    from mmbert_composer.data.preparing.job_status import describe_job

    for line in describe_job(data):
        typer.echo(line)


def _submit(request: "PrepareRequest", options: "SlurmOptions", *, dry_run: bool) -> None:
    from mmbert_composer.data.prepare import claimed
    from mmbert_composer.data.preparing.slurm_engine import check_queue, submit, write_jobs

    with claimed(request, typer.echo) as runner:
        if runner is None:
            typer.echo(f"{request.out}: this was prepared already; nothing to do")
            return
        check_queue(runner)
        jobs = write_jobs(runner, options)
        for job in jobs:
            typer.echo(f"{job.script}" + (f": an array of {job.elements}" if job.elements else ""))
        if dry_run:
            typer.echo("nothing was submitted; each script has to wait for the one before to end well")
            return
        ids = submit(runner, jobs)
    typer.echo(f"submitted as jobs {', '.join(ids.values())}; how far they are: mmbert prepare status {request.out}")


def _show(manifest: "Manifest") -> None:
    fill = manifest.tokens / max(1, manifest.blocks * manifest.block_size)
    streams = sum(entry.blocks > 0 for entry in manifest.streams.values())
    typer.echo(
        f"{manifest.root}: {streams:,} streams, {manifest.blocks:,} blocks of {manifest.block_size:,}, "
        f"{manifest.tokens:,} tokens, fill {fill:.2%}"
    )


@app.command()
def stats(
    data: Data,
    top: Annotated[int, typer.Option(help="Streams to show, the largest first; 0 for all.")] = 30,
    csv: Annotated[Path | None, typer.Option(help="Write a row a stream; also what `data.counts` reads.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write totals, sources and streams.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw tokens by language and source: .png, .svg or .pdf.")] = None,
) -> None:
    """Show what a data folder holds, per source and per language."""
    from rich.console import Console

    from mmbert_composer.data.data_stats import write_stats
    from mmbert_composer.data.data_tables import source_table, stream_table
    from mmbert_composer.data.manifest import load_manifest

    manifest = load_manifest(data)
    write_stats(manifest, table=csv, tree=json, picture=plot)
    console = Console()
    console.print(source_table(manifest))
    console.print(stream_table(manifest, top))


@app.command()
def verify(
    data: Data,
    show: Annotated[int, typer.Option(help="Print the beginning of so many blocks, as text.")] = 0,
    blocks: Annotated[int, typer.Option(min=0, help="Blocks of each stream to decode and look at.")] = 4,
    seed: Annotated[int, typer.Option(help="Of which blocks.")] = 0,
) -> None:
    """Read every shard again and compare it with the manifest; decode some blocks of each stream."""
    from mmbert_composer.data.verify_data import verify_data

    verified = verify_data(data, show=show, blocks=blocks, seed=seed)
    for snippet in verified.snippets:
        typer.echo(f"{snippet.stream}, block {snippet.block}: {' '.join(snippet.text.split())[:120]}")
    typer.echo(
        f"{data}: {verified.streams:,} streams, {verified.shards:,} shards, {verified.bytes / 1e6:,.1f} MB: "
        f"all as written; {verified.decoded:,} blocks decoded"
    )
