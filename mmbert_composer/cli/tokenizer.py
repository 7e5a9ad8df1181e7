"""``mmbert tokenizer``: train one with the special tokens and input names that training needs, or grow one."""

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


@app.callback()
def tokenizer() -> None:
    """Train a tokenizer with the right special tokens, or give one more tokens for a new language."""


@app.command()
def train(
    input: Inputs,
    vocab_size: Annotated[int, typer.Option(help="Number of tokens, the 5 special and 256 byte tokens included.")],
    out: Annotated[Path, typer.Option(help="The folder to write; must be absent or empty.")],
    text_field: TextField = "text",
    id_field: IdField = "id",
    language_field: LanguageField = "language",
    source_field: SourceField = "source",
    source: Source = None,
    split: Split = "files",
    max_bad_fraction: MaxBadFraction = 0.001,
) -> None:
    """Train a byte-fallback BPE on text; the same text gives the same tokenizer."""
    from mmbert_composer.data.inputs.read_options import ReadOptions
    from mmbert_composer.data.tokenizer import tokenizer_hash
    from mmbert_composer.data.train_on_inputs import train_on_inputs

    options = ReadOptions(text_field, id_field, language_field, source_field, source, split)
    trained = train_on_inputs(input, vocab_size, out, options=options, max_bad_fraction=max_bad_fraction)
    if len(trained) < vocab_size:
        typer.echo(f"{len(trained):,} of the {vocab_size:,} tokens asked for: the text gives no more merges")
    typer.echo(f"{out}: tokenizer of {len(trained):,} tokens (hash {tokenizer_hash(out)[:12]})")
    typer.echo(f"next: mmbert prepare run --input SPEC --tokenizer {out} --out DATA")


@app.command()
def grow(
    tokenizer: Annotated[
        Path, typer.Argument(metavar="TOKENIZER", help="Folder of a BPE tokenizer, or of a model with one.")
    ],
    input: Inputs,
    new_tokens: Annotated[int, typer.Option(help="Number of tokens to add; fewer if the text gives no more.")],
    out: Annotated[Path, typer.Option(help="The folder to write; must be absent or empty.")],
    text_field: TextField = "text",
    id_field: IdField = "id",
    language_field: LanguageField = "language",
    source_field: SourceField = "source",
    source: Source = None,
    split: Split = "files",
    max_bad_fraction: MaxBadFraction = 0.001,
) -> None:
    """Go on with a BPE's training on the text of a new language: every old token keeps its id.

    Prints what that brings, language by language, and writes it as coverage.json. `mmbert import MODEL --tokenizer OUT`
    then gives the model rows for the new tokens.
    """
    from rich.console import Console

    from mmbert_composer.data.grow_on_inputs import grow_on_inputs
    from mmbert_composer.data.inputs.read_options import ReadOptions
    from mmbert_composer.data.token_coverage import coverage_table

    options = ReadOptions(text_field, id_field, language_field, source_field, source, split)
    grown = grow_on_inputs(
        tokenizer,
        input,
        new_tokens,
        out,
        options=options,
        max_bad_fraction=max_bad_fraction,
        show_progress=True,
    )
    growth = grown.growth
    Console().print(coverage_table(grown.before, grown.after))
    if len(growth.tokens) < new_tokens:
        typer.echo(f"{len(growth.tokens):,} of the {new_tokens:,} tokens asked for: the text gives no more")
    typer.echo(
        f"{out}: {len(growth.tokens):,} new tokens, {growth.padding:,} of them in rows of padding, "
        f"{growth.placeholders:,} in placeholders, {growth.behind:,} behind; embedding {growth.rows:,} -> "
        f"{growth.rows_after:,} rows"
    )
    if growth.room and len(growth.tokens) == new_tokens:
        typer.echo(f"{growth.room:,} more tokens would cost no row: --new-tokens {new_tokens + growth.room}")
    typer.echo(f"next: mmbert import MODEL --tokenizer {out} --out START")
