"""Options of the commands that read text."""

from typing import Annotated

import typer

Inputs = Annotated[
    list[str],
    typer.Option(
        "--input",
        metavar="SPEC",
        help="jsonl:GLOB (.gz, .zst), text:GLOB (language = name of the folder), parquet:GLOB, or cldr: (the locale "
        "data in the Babel package). Can be given several times; quote the GLOB.",
    ),
]
TextField = Annotated[str, typer.Option(help="Field or column that holds the text.")]
IdField = Annotated[str, typer.Option(help="Field that names a record in messages; it need not exist.")]
LanguageField = Annotated[str, typer.Option(help="Field of the language; records without it go to 'und'.")]
SourceField = Annotated[str, typer.Option(help="Field of the source.")]
Source = Annotated[
    str | None, typer.Option(help="Source of documents that name none.", show_default="the SPEC's kind, as jsonl")
]
Split = Annotated[str, typer.Option(help="What a document of text: is: 'files' or 'paragraphs'.")]
MaxBadFraction = Annotated[
    float, typer.Option(help="Share of input lines that may be bad; more fail the job. One is allowed unless 0.")
]
