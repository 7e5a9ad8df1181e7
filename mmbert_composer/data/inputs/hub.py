"""``hf:DATASET[:config]``: a dataset of the Hugging Face hub, or a folder laid out as one, streamed by ``datasets``.

Credentials are the hub library's: ``HF_TOKEN`` in the environment. With ``HF_HUB_OFFLINE=1`` nothing is asked of it.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from xxhash import xxh64_hexdigest

from mmbert_composer.data.inputs.document import Record
from mmbert_composer.data.inputs.fields import read_fields, wanted_fields
from mmbert_composer.data.inputs.files import list_tree
from mmbert_composer.data.inputs.input_kind import Found, InputKind
from mmbert_composer.data.inputs.read_options import ReadOptions
from mmbert_composer.data.inputs.unit import InputUnit
from mmbert_composer.errors import UserError

if TYPE_CHECKING:
    from datasets import IterableDataset  # pyright: ignore[reportMissingImports] - an extra


def find_hf(where: str, options: ReadOptions) -> Found:
    """The dataset's split as one unit over all its shards (files), pinned to the commit that it has now.

    Raises UserError when ``datasets`` is not installed, and when there is no such dataset, config or split.
    """
    name, revision, config = parse_where(where)
    if revision and options.revision and revision != options.revision:
        raise UserError(f"input 'hf:{where}': its revision is {revision} here and {options.revision} in the options")
    revision = revision or options.revision
    notes: tuple[str, ...] = ()
    origin = ""
    if Path(name).expanduser().is_dir():
        root, files = list_tree(f"hf:{where}", name)
        size = sum(file.size for file in files)
        identity = f"{len(files)} files, xxh64 {xxh64_hexdigest(repr([(f.path, f.identity) for f in files]))}"
        path = join_where(root, None, config)
        dataset = open_dataset(path, options)
    else:
        commit = _commit(name, revision)
        if revision is None:
            notes = (f"hf:{name} is read as it is now; to have the same again: --revision {commit}",)
        path, identity = join_where(name, commit, config), f"revision {commit}"
        origin = f"{name}@{commit}"
        dataset = open_dataset(path, options)
        size = dataset.info.download_size or 0
    return Found((InputUnit("hf", path, size, identity, end=dataset.num_shards),), notes, origin)


def split_hf(unit: InputUnit, task_bytes: int) -> list[InputUnit]:
    """Ranges of shards of about ``task_bytes`` each, shards taken as equal; one shard each where no size is known."""
    assert unit.end is not None, "find_hf gives ranges"
    num_shards = unit.end - unit.begin
    each = unit.size / num_shards
    step = max(1, int(task_bytes // each)) if each else 1
    pieces: list[InputUnit] = []
    for begin in range(unit.begin, unit.end, step):
        end = min(begin + step, unit.end)
        pieces.append(replace(unit, size=round(each * (end - begin)), begin=begin, end=end))
    return pieces


def read_hf(unit: InputUnit, options: ReadOptions) -> Iterator[Record]:
    """Every row of the unit's shards as a document, or why it is none; rows count from 1 in their shard."""
    dataset = open_dataset(unit.path, options)
    present = dataset.column_names
    if present:
        if options.text_field.partition(".")[0] not in present:
            raise UserError(f"{unit.path}: no column {options.text_field!r} (columns: {', '.join(present)})")
        dataset = dataset.select_columns([name for name in wanted_fields(options) if name in present])
    assert unit.end is not None, "find_hf gives ranges"
    num_shards = dataset.num_shards
    if unit.end > num_shards:
        raise UserError(f"{unit.name}: the dataset has {num_shards:,} shards now: it is not the one that was planned")
    for shard in range(unit.begin, unit.end):
        row = 0
        try:
            for fields in dataset.shard(num_shards=num_shards, index=shard):
                row += 1
                yield read_fields(fields, f"{unit.path} shard {shard}:{row}", unit, options)
        except UserError:
            raise
        except Exception as error:
            # The builders raise their own kinds, and the library wraps them in another one.
            raise UserError(
                f"{unit.path}: shard {shard} cannot be read after row {row:,} ({error.__cause__ or error})"
            ) from error


def open_dataset(path: str, options: ReadOptions) -> "IterableDataset":
    """The dataset of a unit's path, streaming. Raises UserError when it or its library is not there."""
    try:
        from datasets import load_dataset  # pyright: ignore[reportMissingImports] - an extra
    except ImportError:
        raise UserError("hf: needs the datasets library: pip install 'mmbert-composer[hf]'") from None
    name, revision, config = parse_where(path)
    try:
        return load_dataset(name, config, split=options.dataset_split, revision=revision, streaming=True)
    except Exception as error:
        # Not found, gated, offline, no such config, no such split: each of another kind, all with a clear message.
        raise UserError(f"hf:{path}: the dataset cannot be opened ({type(error).__name__}: {error})") from error


def parse_where(where: str) -> tuple[str, str | None, str | None]:
    """Name, revision and config of ``DATASET[@REVISION][:CONFIG]``, None for what it does not say."""
    name, _, config = where.partition(":")
    name, _, revision = name.partition("@")
    if not name:
        raise UserError(f"input 'hf:{where}': name a dataset, as in hf:HuggingFaceFW/fineweb-2:deu_Latn")
    return name, revision or None, config or None


def join_where(name: str, revision: str | None, config: str | None) -> str:
    """The ``where`` that ``parse_where`` takes apart."""
    return name + (f"@{revision}" if revision else "") + (f":{config}" if config else "")


def _commit(name: str, revision: str | None) -> str:
    """The commit that ``revision`` is now; offline, a revision is taken at its word."""
    from huggingface_hub import HfApi, constants

    if constants.HF_HUB_OFFLINE:
        if revision is None:
            raise UserError(f"hf:{name}: HF_HUB_OFFLINE is set: name the commit with --revision, or a local folder")
        return revision
    try:
        return HfApi().dataset_info(name, revision=revision).sha or revision or "main"
    except Exception as error:
        raise UserError(f"hf:{name}: the hub cannot be asked for it ({type(error).__name__}: {error})") from error


HF = InputKind("hf:DATASET[:config]", find_hf, read_hf, split=split_hf)
