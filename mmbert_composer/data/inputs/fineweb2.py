"""``fineweb2:DIR``: the layout of FineWeb2, ``data/<code_Script>/train/*.parquet``, the language from the path."""

from mmbert_composer.data.inputs.files import FoundFile, list_tree
from mmbert_composer.data.inputs.input_kind import Found, InputKind
from mmbert_composer.data.inputs.parquet import read_parquet, split_parquet
from mmbert_composer.data.inputs.read_options import ReadOptions
from mmbert_composer.data.inputs.unit import InputUnit
from mmbert_composer.data.languages import normalise_language
from mmbert_composer.errors import UserError

TRAIN = "train"
_REMOVED = "_removed"
_NAMED = 5


def find_fineweb2(where: str, options: ReadOptions) -> Found:
    """The training files below ``where`` or ``where/data``; every other split is left out and said.

    Raises UserError when there is none, and for folders that are no languages, with the nearest known codes.
    """
    root, files = list_tree(f"fineweb2:{where}", where)
    units: list[InputUnit] = []
    left_out: dict[str, int] = {}
    unknown: dict[str, str] = {}
    for file in files:
        place = _place(root, file)
        if place is None:
            continue
        folder, split = place
        if split != TRAIN or folder.endswith(_REMOVED):
            kind = f"{_REMOVED} (what FineWeb2's filters took out)" if folder.endswith(_REMOVED) else f"{split}/"
            left_out[kind] = left_out.get(kind, 0) + 1
            continue
        try:
            language = normalise_language(folder)
        except UserError as error:
            unknown[folder] = str(error)
            continue
        source = options.source or "fineweb2"
        units.append(InputUnit("fineweb2", file.path, file.size, file.identity, source=source, language=language))
    if unknown:
        more = f" and {len(unknown) - _NAMED:,} more" if len(unknown) > _NAMED else ""
        raise UserError(
            f"input 'fineweb2:{where}': {len(unknown):,} folders are no languages: "
            f"{'; '.join(list(unknown.values())[:_NAMED])}{more}"
        )
    if not units:
        raise UserError(f"input 'fineweb2:{where}': no data/<code_Script>/{TRAIN}/*.parquet in it")
    notes = [f"fineweb2:{where}: {count:,} files of {kind} left out" for kind, count in sorted(left_out.items())]
    return Found(tuple(units), tuple(notes))


def _place(root: str, file: FoundFile) -> tuple[str, str] | None:
    """Language folder and split of a parquet file; None for any other file."""
    parts = file.path.removeprefix(root).strip("/").split("/")
    if parts[0] == "data":
        parts = parts[1:]
    return (parts[0], parts[1]) if len(parts) == 3 and parts[2].endswith(".parquet") else None


FINEWEB2 = InputKind(
    "fineweb2:DIR (data/<code_Script>/train/*.parquet)", find_fineweb2, read_parquet, split=split_parquet
)
