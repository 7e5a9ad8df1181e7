"""What ``mmbert prepare plan`` and ``mmbert prepare run`` ask for alike."""

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mmbert_composer.cli.input_options import (
    DatasetSplit,
    DType,
    Filter,
    Folder,
    FolderLanguage,
    IdField,
    Language,
    LanguageField,
    MaxBadFraction,
    Only,
    Origin,
    Revision,
    Set,
    SomeInputs,
    Source,
    SourceField,
    Sources,
    Split,
    TextField,
)

if TYPE_CHECKING:
    from mmbert_composer.data.prepare import PrepareRequest

_STEPS, _TASKS = "Quality steps", "Tasks"


def prepare_request(
    tokenizer: Annotated[Path, typer.Option(help="Folder of the tokenizer (`mmbert tokenizer train`).")],
    out: Annotated[
        Path,
        typer.Option(help="The data folder to make, absent or empty; or one this command left unfinished: it goes on."),
    ],
    input: SomeInputs = None,
    sources: Sources = None,
    only: Only = None,
    overrides: Set = None,
    block_size: Annotated[int, typer.Option(help="Tokens a block; the longest sequence that training can see.")] = 8192,
    append: Annotated[
        bool,
        typer.Option("--append", help="Add a part to finished data: new shards beside the old ones, which stay as is."),
    ] = False,
    text_field: TextField = "text",
    id_field: IdField = "id",
    language_field: LanguageField = "language",
    source_field: SourceField = "source",
    source: Source = None,
    split: Split = "files",
    language: Language = None,
    folder_language: FolderLanguage = False,
    filter: Filter = None,
    dtype: DType = None,
    folder: Folder = None,
    revision: Revision = None,
    dataset_split: DatasetSplit = "train",
    max_bad_fraction: MaxBadFraction = 0.001,
    licence: Annotated[str, typer.Option(help="A note on the text's licence, kept in the manifest.")] = "",
    origin: Origin = "",
    min_chars: Annotated[int, typer.Option(help="Drop texts with fewer characters.", rich_help_panel=_STEPS)] = 0,
    dedup: Annotated[
        bool,
        typer.Option(
            "--dedup",
            help="Keep one of equal texts of a stream (a language of a source), over all its parts.",
            rich_help_panel=_STEPS,
        ),
    ] = False,
    max_documents: Annotated[
        int | None,
        typer.Option(help="Training documents to keep of a stream, chosen by hash.", rich_help_panel=_STEPS),
    ] = None,
    task_bytes: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE",
            help="Input of one task, as 2GB. The blocks are the same for any.",
            show_default="2GB, less for a small job",
            rich_help_panel=_TASKS,
        ),
    ] = None,
) -> "PrepareRequest":
    """The request that the options make."""
    from mmbert_composer.data.inputs.read_options import ReadOptions
    from mmbert_composer.data.inputs.sources import parse_sources
    from mmbert_composer.data.inputs.spec import check_distinct, parse_inputs
    from mmbert_composer.data.prepare import PrepareRequest
    from mmbert_composer.data.preparing.disk_space import parse_size
    from mmbert_composer.data.preparing.job_plan import Settings
    from mmbert_composer.errors import UserError

    options = ReadOptions(
        text_field=text_field,
        id_field=id_field,
        language_field=language_field,
        source_field=source_field,
        source=source,
        split=split,
        language=language,
        folder_language=folder_language,
        min_characters=min_chars,
        filter=tuple(filter or ()),
        dtype=dtype,
        folders=tuple(folder or ()),
        revision=revision,
        dataset_split=dataset_split,
        licence=licence,
        origin=origin,
    )
    specs = parse_inputs(input or [], options) if input or not sources else []
    if sources:
        specs += parse_sources(sources, overrides or (), only or ())
        check_distinct(specs)
    elif only or overrides:
        raise UserError("--only and --set are for the rows of --sources YAML")
    settings = Settings(block_size, max_bad_fraction, dedup, max_documents)
    size = None if task_bytes is None else parse_size("task-bytes", task_bytes)
    return PrepareRequest(specs, tokenizer, out, settings, append, size)


def with_request(command: Callable[..., None]) -> Callable[..., None]:
    """Give ``command``, whose first argument is a request, the options of ``prepare_request`` in its place."""
    shared = inspect.signature(prepare_request).parameters
    own = list(inspect.signature(command).parameters.values())[1:]

    @functools.wraps(command)
    def wrapper(**values: Any) -> None:
        request = prepare_request(**{name: values.pop(name) for name in shared})
        command(request, **values)

    parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in (*shared.values(), *own)]
    wrapper.__signature__ = inspect.Signature(parameters)  # pyright: ignore[reportAttributeAccessIssue]
    wrapper.__annotations__ = {p.name: p.annotation for p in parameters}
    return wrapper
