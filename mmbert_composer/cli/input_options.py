"""Options of the commands that read text."""

from pathlib import Path
from typing import Annotated

import typer

_READING = "How input is read"
_INPUT = typer.Option(
    "--input",
    metavar="SPEC",
    help="jsonl:GLOB (.gz, .zst), parquet:GLOB, text:GLOB (language = name of the folder), fineweb2:DIR, "
    "hf:DATASET[:config], mds:DIR (tokenized before), or cldr: (the locale data in the Babel package). A GLOB or DIR "
    "may be s3://, gs://, hf:// or https://. Can be given several times; quote the GLOB.",
)
Inputs = Annotated[list[str], _INPUT]
SomeInputs = Annotated[list[str] | None, _INPUT]
Sources = Annotated[
    Path | None,
    typer.Option(metavar="YAML", help="Rows of sources, as yamls/data/mmbert.yaml, each with its own options."),
]
Only = Annotated[
    list[str] | None, typer.Option(metavar="NAME", help="Of --sources only this row; can be given several times.")
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change --sources: root=FOLDER, sources.NAME.path=FOLDER."),
]
Language = Annotated[str | None, typer.Option(help="Language of documents that name none.", rich_help_panel=_READING)]
FolderLanguage = Annotated[
    bool,
    typer.Option("--folder-language", help="The folder of a file names its language.", rich_help_panel=_READING),
]
Filter = Annotated[
    list[str] | None,
    typer.Option(
        metavar="CONDITION",
        help="Keep records that meet it, as \"score >= 0.8\" or \"set in ['a', 'b']\"; several: all of them.",
        rich_help_panel=_READING,
    ),
]
DType = Annotated[
    str | None,
    typer.Option("--dtype", help="mds: with a column of bytes: the type in it, as int64.", rich_help_panel=_READING),
]
Folder = Annotated[
    list[str] | None,
    typer.Option(
        metavar="RULE",
        help="mds: GLOB=SOURCE or GLOB=SOURCE/LANGUAGE for folders below DIR; the first match counts.",
        rich_help_panel=_READING,
    ),
]
Revision = Annotated[str | None, typer.Option(help="hf: a commit, tag or branch.", rich_help_panel=_READING)]
DatasetSplit = Annotated[str, typer.Option(help="hf: the split to read.", rich_help_panel=_READING)]
Origin = Annotated[str, typer.Option(help="Where the text is from, kept in the manifest and the model card.")]
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
