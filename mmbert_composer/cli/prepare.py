"""``mmbert prepare``: text to blocks, and what is in a data folder."""

import os
from pathlib import Path
from typing import Annotated

import typer

from mmbert_composer.cli.input_options import (
    IdField,
    Inputs,
    LanguageField,
    MaxBadFraction,
    Source,
    SourceField,
    Split,
    TextField,
)

app = typer.Typer(no_args_is_help=True)

Data = Annotated[Path, typer.Argument(metavar="DATA", help="A folder that `mmbert prepare run` made.")]


@app.command()
def run(
    input: Inputs,
    tokenizer: Annotated[Path, typer.Option(help="Folder of the tokenizer (`mmbert tokenizer train`).")],
    out: Annotated[
        Path,
        typer.Option(help="The data folder to make, absent or empty; or one this command left unfinished: it goes on."),
    ],
    block_size: Annotated[int, typer.Option(help="Tokens a block; the longest sequence that training can see.")] = 8192,
    workers: Annotated[
        int | None, typer.Option(help="Processes; the blocks are the same for any number.", show_default="one a CPU")
    ] = None,
    text_field: TextField = "text",
    id_field: IdField = "id",
    language_field: LanguageField = "language",
    source_field: SourceField = "source",
    source: Source = None,
    split: Split = "files",
    max_bad_fraction: MaxBadFraction = 0.001,
    licence: Annotated[str, typer.Option(help="A note on the text's licence, kept in the manifest.")] = "",
) -> None:
    """Tokenize text and pack it into blocks, one stream of shards a language and source.

    Run again, it goes on where it was stopped; with other inputs or settings it refuses.
    """
    from mmbert_composer.data.inputs.read_options import ReadOptions
    from mmbert_composer.data.prepare import prepare

    manifest = prepare(
        input,
        tokenizer,
        out,
        block_size,
        workers or len(os.sched_getaffinity(0)),
        options=ReadOptions(text_field, id_field, language_field, source_field, source, split),
        max_bad_fraction=max_bad_fraction,
        licence=licence,
        say=typer.echo,
        show_progress=True,
    )
    fill = manifest.tokens / max(1, manifest.blocks * manifest.block_size)
    streams = sum(entry.blocks > 0 for entry in manifest.streams.values())
    typer.echo(
        f"{out}: {streams:,} streams, {manifest.blocks:,} blocks of {manifest.block_size:,}, "
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
