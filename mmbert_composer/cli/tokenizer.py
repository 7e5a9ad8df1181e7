"""``mmbert tokenizer train``: a tokenizer with the special tokens and input names that training needs."""

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
    """Train a tokenizer with the right special tokens."""


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
