"""``mds:DIR``: the MDS folders below a folder, what each lists, and the source and language of each.

The layout that mmBERT and Ettin publish: ``DIR/train/SOURCE/SPLIT-tokenized-.../{index.json, shard.00000.mds}``, with a
level of languages between where there are several (``deu_Latn-tokenized-...``), and merged index files on the levels
above, which list the same shards again.
"""

import json
import re
from fnmatch import fnmatch
from typing import Any

from xxhash import xxh64_hexdigest

from mmbert_composer.data.inputs.document import check_source
from mmbert_composer.data.inputs.files import FoundFile, list_tree, open_file
from mmbert_composer.data.inputs.input_kind import Found, cut
from mmbert_composer.data.inputs.mds_shard import token_column
from mmbert_composer.data.inputs.read_options import ReadOptions
from mmbert_composer.data.inputs.unit import InputUnit
from mmbert_composer.data.languages import NO_LANGUAGE, normalise_language
from mmbert_composer.errors import UserError

INDEX = "index.json"
_NAMED = 5
_KEYS = ("samples", "raw_data", "column_names", "column_encodings", "column_sizes")
_RAW_KEYS = ("basename", "bytes")
# A script makes it certain that a language is meant: "all" and "raw" are codes of ISO 639-3 as well.
_LANGUAGE = re.compile(r"[a-z]{3}_[A-Z][a-z]{3}(?=$|[-.])")

Shard = dict[str, Any]
"""A shard's entry in index.json."""


def find_mds(where: str, options: ReadOptions) -> Found:
    """A unit for each folder below ``where`` whose index.json lists shards of its own.

    Raises UserError for a folder without any, for shards that are missing or have no index.json, and for columns that
    hold no tokens.
    """
    root, files = list_tree(f"mds:{where}", where)
    folders: dict[str, dict[str, FoundFile]] = {}
    for file in files:
        folder, _, name = file.path.rpartition("/")
        folders.setdefault(folder, {})[name] = file
    units: list[InputUnit] = []
    absent: list[str] = []
    for folder, here in sorted(folders.items()):
        if INDEX not in here:
            if any(name.endswith((".mds", ".mds.zstd")) for name in here):
                raise UserError(f"{folder} holds shards and no {INDEX}: get the folder again")
            continue
        shards = read_index(folder)
        own = [shard for shard in shards if "/" not in shard["raw_data"]["basename"]]
        below = {shard["raw_data"]["basename"].rpartition("/")[0] for shard in shards} - {""}
        absent.extend(f"{folder}/{name}" for name in sorted(below) if INDEX not in folders.get(f"{folder}/{name}", {}))
        if own:
            units.append(_unit(root, folder, own, here, options))
    if not units:
        raise UserError(f"input 'mds:{where}': no {INDEX} in it or below it lists a shard: is it an MDS folder?")
    return Found(tuple(units), _notes(where, units, sorted(set(absent))))


def split_mds(unit: InputUnit, task_bytes: int) -> list[InputUnit]:
    """Ranges of the folder's shards of about ``task_bytes`` each."""
    if unit.size <= task_bytes:
        return [unit]
    return cut(unit, [shard["raw_data"]["bytes"] for shard in own_shards(unit.path)], task_bytes)


def own_shards(folder: str) -> list[Shard]:
    """The shards that index.json of ``folder`` lists in that folder itself."""
    return [shard for shard in read_index(folder) if "/" not in shard["raw_data"]["basename"]]


def read_index(folder: str) -> list[Shard]:
    """The shards that index.json of ``folder`` lists. Raises UserError unless it is an index of MDS shards."""
    path = f"{folder}/{INDEX}"
    try:
        with open_file(path) as file:
            shards: list[Shard] = json.loads(file.read())["shards"]
        for shard in shards:
            if shard["format"] != "mds":
                raise UserError(f"{path}: its shards are {shard['format']}, not mds")
            if not all(key in shard for key in _KEYS) or not all(key in shard["raw_data"] for key in _RAW_KEYS):
                raise ValueError(f"an entry lacks one of {', '.join((*_KEYS, *_RAW_KEYS))}")
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is no index of MDS shards ({error!r}): get it again") from None
    return shards


def shard_files(shard: Shard) -> list[tuple[str, int | None, bool]]:
    """Name, bytes and whether it is compressed of the files a shard may be read from, the better one first.

    The published folders were uncompressed before they were uploaded, and their index.json still names the compressed
    files.
    """
    raw, packed = shard["raw_data"], shard.get("zip_data") or {}
    files = [(raw["basename"], raw["bytes"], False)]
    return [*files, (packed["basename"], packed.get("bytes"), True)] if packed else files


def _unit(root: str, folder: str, shards: list[Shard], here: dict[str, FoundFile], options: ReadOptions) -> InputUnit:
    parts = [here[INDEX].identity]
    missing: list[str] = []
    for shard in shards:
        _check_shard(folder, shard, options)
        file = next((file for file in shard_files(shard) if file[0] in here), None)
        if file is None:
            missing.append(shard["raw_data"]["basename"])
            continue
        name, size, _ = file
        if size is not None and here[name].size != size:
            raise UserError(f"{folder}/{name} has {here[name].size:,} bytes instead of {size:,}: get it again")
        parts.append(here[name].identity)
    if missing:
        more = f" and {len(missing) - _NAMED:,} more" if len(missing) > _NAMED else ""
        raise UserError(
            f"{folder}: {len(missing):,} of the {len(shards):,} shards that its {INDEX} lists are missing: "
            f"{', '.join(missing[:_NAMED])}{more}. Get them again; nothing was read"
        )
    source, language = place_of(root, folder, options)
    identity = f"{len(shards)} shards, xxh64 {xxh64_hexdigest(json.dumps(parts))}"
    size = sum(shard["raw_data"]["bytes"] for shard in shards)
    return InputUnit("mds", folder, size, identity, source=source, language=language)


def _check_shard(folder: str, shard: Shard, options: ReadOptions) -> None:
    try:
        if "cu_seqlens" in shard["column_names"]:
            raise UserError("these are packed blocks already, made by `mmbert prepare`: use the data folder as it is")
        token_column(shard, options.token_field, options.dtype)
        if shard.get("compression") and not str(shard["compression"]).startswith("zstd"):
            raise UserError(f"compression {shard['compression']}: zstd and none can be read")
    except UserError as error:
        raise UserError(f"{folder}: {error}") from None


def place_of(root: str, folder: str, options: ReadOptions) -> tuple[str, str]:
    """Source and language of an MDS folder: what a ``--folder`` rule says, else its path and the options.

    The path's language is that of the deepest folder named ``code_Script`` or ``code_Script-...``, and the option is
    for paths without one. The path's source is the folder above, language folders left out, where the option says
    none: ``train/fineweb2-sampled/deu_Latn-tokenized/000-batch`` is (fineweb2-sampled, deu_Latn).
    """
    relative = folder.removeprefix(root).strip("/")
    source, language = options.source, ""
    for rule in options.folders:
        pattern, _, place = rule.rpartition("=")
        if fnmatch(relative, pattern) or fnmatch(f"{relative}/", pattern):
            source, _, language = place.partition("/")
            break
    # The name of the folder itself says a language, but no source: that is the name of one shard set of many.
    above = [root.rpartition("/")[2], *relative.split("/")] if relative else [root.rpartition("/")[2]]
    codes = [match[0] for name in above if (match := _LANGUAGE.match(name))]
    sources = [name for name in above[:-1] if not _LANGUAGE.match(name)]
    source = source or (sources[-1] if sources else "mds")
    check_source(source)
    return source, normalise_language(language or (codes[-1] if codes else options.language or NO_LANGUAGE))


def _notes(where: str, units: list[InputUnit], absent: list[str]) -> tuple[str, ...]:
    streams: dict[str, int] = {}
    for unit in units:
        streams[f"{unit.source}/{unit.language}"] = streams.get(f"{unit.source}/{unit.language}", 0) + 1
    some = ", ".join(f"{name} ({count:,})" for name, count in sorted(streams.items())[:_NAMED])
    more = f" and {len(streams) - _NAMED:,} more" if len(streams) > _NAMED else ""
    notes = [f"mds:{where}: {len(units):,} MDS folders for {len(streams):,} streams: {some}{more}"]
    if absent:
        more = f" and {len(absent) - _NAMED:,} more" if len(absent) > _NAMED else ""
        notes.append(
            f"mds:{where}: {len(absent):,} folders that a merged {INDEX} lists are not here and were left out: "
            f"{', '.join(absent[:_NAMED])}{more}"
        )
    return tuple(notes)
