"""The settings of a run as dataclasses: every key known, every value checked, every default in one place."""

import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_type_hints

from mmbert_composer.curriculum import Curriculum, Phase
from mmbert_composer.curriculum.interval import parse_interval
from mmbert_composer.curriculum.tokens import parse_tokens
from mmbert_composer.data.data_source import DataSource
from mmbert_composer.data.languages import normalise_language
from mmbert_composer.errors import UserError, did_you_mean

LOAD_AS = ("resume", "continue", "weights")
PRECISIONS = ("fp32", "amp_bf16", "amp_fp16")

LARGEST_SEED = 2**32 - 1
"""Of numpy's generators, which a run seeds beside torch's."""

AT_LEAST = {"num_workers": 0, "download_retries": 0, "seed": 0, "save_num_checkpoints_to_keep": -1}
"""Lowest value of whole numbers that may be below 1."""


@dataclass(frozen=True)
class DataConfig:
    """Where the blocks are and in which order they are drawn."""

    block_size: int
    """Tokens in a block; that of the data."""
    segment_blocks: int
    """S, blocks in a segment: the mixture changes at its edges. A multiple of the batch and of num_canonical_nodes."""
    root: str | None = None
    """Folder written by ``mmbert prepare``, or a remote with such a folder: ``s3://``, ``gs://``, ``hf://datasets/``."""
    cache: str | None = None
    """Folder on every node for the shards of a remote."""
    cache_limit: int | None = None
    """Bytes of shards in the cache, as 2_000_000_000_000 or 2TB; null keeps all that was fetched."""
    download_retries: int = DataSource.download_retries
    """Tries after a first one that failed, each after a longer pause (1, 2, 4, ... at most 30 s)."""
    download_timeout: float = DataSource.download_timeout
    """Seconds that a try may take without an answer, where the kind of remote knows such a limit."""
    verify: str = DataSource.verify
    """``first_touch``: a shard is compared with its hash once a run and node, before it is read; or ``never``."""
    shuffle_window: int | None = None
    """Blocks of a stream that are shuffled together: few shards are in use at a time. null is all of the stream."""
    counts: str | None = None
    """A CSV (source, language, tokens) for ``mmbert plan`` where there is no data yet."""
    seed: int = 17
    """Of the order of blocks; apart from the seed of the run."""
    num_canonical_nodes: int = 8
    """A segment is a multiple of it, as Streaming asks. The order of blocks does not depend on it, nor on the nodes."""
    num_workers: int = 0
    """Processes a rank that read ahead; 0 reads in the training process."""
    held_out_blocks: int = 8
    """Held-out blocks of each stream in an evaluation."""
    held_out_streams: str = "plan"
    """Whose held-out loss is measured: ``plan``, the streams that the run draws from, or ``all`` that the data has."""
    held_out_max_seq_len: int | None = None
    """Where held-out sequences are cut, the whole run long; null is the block size."""

    @property
    def source(self) -> DataSource | None:
        """Where the blocks come from; None while ``root`` is not set."""
        if self.root is None:
            return None
        names = [f.name for f in fields(DataSource)]
        return DataSource(**{name: getattr(self, name) for name in names})


@dataclass(frozen=True)
class RunConfig:
    """A run. Keys keep the names that Composer and the mmBERT configs use."""

    data: DataConfig
    curriculum: Curriculum
    phases: list[dict[str, Any]]
    model: dict[str, Any]
    optimizer: dict[str, Any]
    global_train_batch_size: int
    """Blocks a step over all ranks, where a phase sets no batch_size."""
    device_train_microbatch_size: int
    """Blocks a rank takes at once, at most."""
    raw: dict[str, Any] = field(repr=False)
    """The settings as composed, for config.yaml."""
    batch_size_multiple: int | None = None
    """Every batch size is a multiple of it; null is the global batch size."""
    device_eval_batch_size: int | None = None
    """Held-out blocks a rank takes at once; null is the micro-batch."""
    eval_interval: str | None = None
    """How often held-out loss is measured, besides every phase's end: Composer time, or null for phases' ends alone."""
    seed: int = 17
    precision: str = "fp32"
    deterministic_mode: bool = False
    """On a GPU: the same numbers in every run on the same number of ranks, at some cost; on a CPU that is so anyway."""
    run_name: str | None = None
    save_folder: str | None = None
    save_interval: str = "1000ba"
    save_num_checkpoints_to_keep: int = -1
    load_path: str | None = None
    load_as: str | None = None
    autoresume: bool = True
    scheduler: dict[str, Any] | None = None
    callbacks: dict[str, dict[str, Any]] = field(default_factory=dict)
    loggers: dict[str, dict[str, Any]] = field(default_factory=dict)
    algorithms: dict[str, dict[str, Any]] = field(default_factory=dict)
    progress_bar: bool = True
    log_to_console: bool = False
    console_log_interval: str = "50ba"
    """How often a line is logged where there is no terminal for a progress bar; and of log_to_console."""
    dist_timeout: float = 600.0
    """Seconds that a rank waits for the others; after eight tenths without progress the stuck one is named."""


def parse_run_config(config: Mapping[str, Any]) -> RunConfig:
    """Check a composed YAML and make it a :class:`RunConfig`; no data is looked for.

    Raises:
        UserError: an unknown key (with the nearest known one), a missing key, a value out of range.
    """
    known = [f.name for f in fields(RunConfig) if f.name not in ("raw", "phases")]
    _check_keys(config, known, "")
    values = {key: value for key, value in config.items() if key not in ("data", "curriculum")}
    section = config.get("data")
    if isinstance(section, Mapping) and section.get("cache_limit") is not None:
        section = {**section, "cache_limit": _bytes(section["cache_limit"], "data.cache_limit")}
    data = _dataclass(DataConfig, section, "data")
    if data.root is None and (data.cache is not None or data.cache_limit is not None):
        raise UserError(
            "data.cache and data.cache_limit are of a remote: set data.root to it, such as s3://bucket/data"
        )
    _ = data.source  # its checks: a cache for a remote, and no limit without one
    if data.held_out_streams not in ("plan", "all"):
        raise UserError(f"data.held_out_streams={data.held_out_streams!r} must be plan or all")
    _require(config, ("curriculum", "model", "optimizer", "global_train_batch_size", "device_train_microbatch_size"))
    for key in ("global_train_batch_size", "device_train_microbatch_size"):
        values[key] = _blocks(values[key], data.block_size, key)
    section = _mapping(config["curriculum"], "curriculum")
    _check_keys(section, ["phases", "max_passes"], "curriculum.")
    passes = section.get("max_passes", 1)
    if passes is not None and (isinstance(passes, bool) or not isinstance(passes, int | float)):
        raise UserError(f"curriculum.max_passes={passes!r} must be a number, or null for no limit")
    multiple = values.get("batch_size_multiple")
    if multiple is not None and (isinstance(multiple, bool) or not isinstance(multiple, int) or multiple < 1):
        raise UserError(f"batch_size_multiple={multiple!r} must be a whole number, at least 1")
    rows = section.get("phases")
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        raise UserError("curriculum.phases must be a list of phases, each with name, duration, mask_ratio, ...")
    phases = [_phase_row(dict(row), number) for number, row in enumerate(rows)]
    passes = {"max_passes": section["max_passes"]} if "max_passes" in section else {}
    curriculum = Curriculum(
        [Phase(**row) for row in phases],
        block_size=data.block_size,
        segment_blocks=data.segment_blocks,
        global_train_batch_size=values["global_train_batch_size"],
        batch_size_multiple=values.get("batch_size_multiple"),
        num_canonical_nodes=data.num_canonical_nodes,
        **passes,
    )
    segment_tok = data.segment_blocks * data.block_size
    for key in ("save_interval", "eval_interval"):
        if values.get(key) is not None:
            values[key] = parse_interval(values[key], key, segment_tok=segment_tok)
    if values.get("precision", "fp32") not in PRECISIONS:
        raise UserError(f"precision={values['precision']!r} must be one of {', '.join(PRECISIONS)}")
    scheduled = [row["name"] for row in phases if row.get("lr") is not None or row.get("batch_size") is not None]
    if values.get("scheduler") and scheduled:
        raise UserError(
            f"scheduler: phase {scheduled[0]!r} sets its own lr or batch_size; remove the top-level scheduler, "
            f"or the lr and batch_size of the phases"
        )
    for key in ("save_folder", "load_path"):
        if "://" in str(values.get(key)):
            raise UserError(
                f"{key}={values[key]}: runs and checkpoints lie on a disk that all nodes share; name a folder there"
                + (" and copy the checkpoint into it" if key == "load_path" else "")
            )
    load_as = values.get("load_as")
    if values.get("load_path") and load_as not in LOAD_AS:
        raise UserError(
            f"load_path is set, so load_as must say how to start from it: resume (the same run goes on), continue "
            f"(weights, optimizer and what was drawn of each stream; new clock and schedule) or weights; "
            f"it is {load_as!r}"
        )
    if load_as and not values.get("load_path"):
        model = ", or a model's folder (mmbert import makes one)" if load_as == "weights" else ""
        raise UserError(
            f"load_as: {load_as} needs load_path, what this run starts from: set load_path=RUN, the folder of a run "
            f"(its newest checkpoint is taken) or one of its checkpoints{model}"
        )
    for key in ("model", "optimizer"):
        values[key] = dict(_mapping(values[key], key))
    if values.get("scheduler") is not None:
        values["scheduler"] = dict(_mapping(values["scheduler"], "scheduler"))
    for key in ("callbacks", "loggers", "algorithms"):
        named = _mapping(values.get(key) or {}, key)
        values[key] = {name: dict(_mapping(options or {}, f"{key}.{name}")) for name, options in named.items()}
    _check_types(RunConfig, values, "")
    return RunConfig(**values, data=data, curriculum=curriculum, phases=phases, raw=dict(config))


def _phase_row(row: dict[str, Any], number: int) -> dict[str, Any]:
    """A phase's keys checked, ``normalize`` applied, files of languages read."""
    where = f"phase {row['name']!r}" if row.get("name") else f"curriculum.phases.{number}"
    normalize = row.pop("normalize", False)
    if not isinstance(normalize, bool):
        raise UserError(f"{where}: normalize={normalize!r} must be true or false")
    _check_keys(row, [f.name for f in fields(Phase)], f"{where}: ")
    for f in fields(Phase):
        if f.default is MISSING and row.get(f.name) is None:
            raise UserError(f"{where}: {f.name} is missing")
    if not isinstance(row["name"], str):
        raise UserError(f"curriculum.phases.{number}: name={row['name']!r} must be a text; quote it")
    sources = _mapping(row["mixture"], f"{where}: mixture")
    mixture = {name: dict(_mapping(source or {}, f"{where}: mixture.{name}")) for name, source in sources.items()}
    total = _sum_of_shares(mixture, where) if normalize else 1.0
    for source in mixture.values():
        if normalize and "share" in source:
            source["share"] /= total
        if isinstance(source.get("languages"), str):
            source["languages"] = read_languages(Path(source["languages"]), where)
        if isinstance(source.get("languages"), list):
            source["languages"] = [_code(code, where) for code in source["languages"]]
    return {**row, "mixture": mixture}


def _sum_of_shares(mixture: Mapping[str, Mapping[str, Any]], where: str) -> float:
    shares = {name: source.get("share", 1.0) for name, source in mixture.items()}
    for name, share in shares.items():
        if isinstance(share, bool) or not isinstance(share, int | float) or not share > 0:
            raise UserError(f"{where}: mixture.{name}: share={share!r} must be a number above 0")
    return sum(shares.values())


def read_languages(path: Path, where: str) -> list[str]:
    """Codes from a file: one a line, ``#`` begins a comment."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise UserError(f"{where}: languages: {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{where}: languages: {path} is no text in UTF-8; write one code a line") from error
    codes = [code for line in lines if (code := line.split("#", 1)[0].strip())]
    if not codes:
        raise UserError(f"{where}: languages: {path} names no language")
    return codes


def _code(code: Any, where: str) -> str:
    """A code as the streams are named: de is deu."""
    if isinstance(code, bool):
        raise UserError(
            f'{where}: languages: YAML reads the code {"no" if not code else "on"} as {code}; quote it: "no"'
        )
    if not isinstance(code, str):
        raise UserError(f"{where}: languages: {code!r} is no code of a language, as eng or uzb_Cyrl")
    return normalise_language(code) if len(code.split("_", 1)[0]) == 2 else code


def _blocks(value: Any, block_size: int, key: str) -> int:
    """A batch size in blocks, from blocks or from ``...tok``."""
    if isinstance(value, str) and value.strip().endswith("tok"):
        tokens = parse_tokens(value, key)
        if tokens % block_size:
            raise UserError(f"{key}: {value} is not a whole number of blocks of {block_size} tokens")
        value = tokens // block_size
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise UserError(f"{key}: {value!r} must be a number of blocks, at least 1, or tokens such as 4_718_592tok")
    return value


def _bytes(value: Any, key: str) -> int:
    """Bytes from a number of them, or from a text such as 500GB."""
    units = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
    found = re.fullmatch(r"([\d_.]+) ?([KMGT]?B)?", str(value).strip().upper())
    try:
        if isinstance(value, bool) or found is None:
            raise ValueError
        return int(float(found[1]) * units[found[2] or "B"])
    except ValueError:
        raise UserError(f"{key}={value!r} must be a number of bytes, or a text such as 500GB or 2TB") from None


def _dataclass(kind: type, section: Any, where: str) -> Any:
    section = _mapping(section or {}, where)
    _check_keys(section, [f.name for f in fields(kind)], f"{where}.")
    _require(section, [f.name for f in fields(kind) if f.default is MISSING], f"{where}.")
    _check_types(kind, section, f"{where}.")
    return kind(**section)


def _check_types(kind: type, section: Mapping[str, Any], where: str) -> None:
    """Whole numbers are whole and high enough, texts are texts, sections are sections; null where it is allowed."""
    hints = get_type_hints(kind)
    for key, value in section.items():
        allowed = get_args(hints[key]) if isinstance(hints[key], UnionType) else (hints[key],)
        if value is None:
            if type(None) not in allowed:
                raise UserError(f"{where}{key} is null; remove the key or give it a value")
        elif int in allowed:
            lowest = AT_LEAST.get(key, 1)
            if isinstance(value, bool) or not isinstance(value, int) or value < lowest:
                raise UserError(f"{where}{key}={value!r} must be a whole number, at least {lowest}")
            if key == "seed" and value > LARGEST_SEED:
                raise UserError(f"{where}seed={value} must be at most {LARGEST_SEED}")
        elif float in allowed:
            if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
                raise UserError(f"{where}{key}={value!r} must be a number above 0")
        elif bool in allowed and not isinstance(value, bool):
            raise UserError(f"{where}{key}={value!r} must be true or false")
        elif str in allowed and not isinstance(value, str):
            raise UserError(f"{where}{key}={value!r} must be a text")


def _mapping(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise UserError(f"{where}: expected keys and values, found {value!r}")
    return value


def _check_keys(section: Mapping[str, Any], known: list[str], where: str) -> None:
    for key in section:
        if key not in known:
            raise UserError(f"unknown key {where}{key}: {did_you_mean(key, known)}")


def _require(section: Mapping[str, Any], keys: list[str] | tuple[str, ...], where: str = "") -> None:
    for key in keys:
        if section.get(key) is None:
            raise UserError(f"{where}{key} is missing")
