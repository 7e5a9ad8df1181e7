"""Phases: the rows of a curriculum, as a user writes them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, cast

from mmbert_composer.curriculum.curve import CurveLike, parse_curve
from mmbert_composer.errors import UserError

ALL_STREAMS = "*"
"""The mixture key that means every stream of the data under one tau."""


@dataclass(frozen=True)
class RopeTheta:
    """Base of the rotary embedding in layers of global and of local attention."""

    global_theta: float
    local_theta: float


@dataclass(frozen=True)
class SourceMixture:
    """What one source gives to a phase.

    ``share``: part of the phase's blocks, in (0, 1]. ``languages``: a list of codes, a number (the n
    largest by tokens) or None for every stream of the source. ``tau`` in p_i ~ n_i ** tau: 1 keeps corpus
    shares, 0 is uniform; it may be a curve over the phase.
    """

    share: float
    languages: Sequence[str] | int | None = None
    tau: CurveLike = 1.0


@dataclass(frozen=True)
class Phase:
    """One row of the curriculum.

    ``duration`` in slots summed over ranks ("100_000_000_000tok"), rounded to whole segments.
    ``mask_ratio`` in (0, 1), a number or a curve. ``max_seq_len`` in tokens, at most the block size.
    ``rope_theta``: one number, or {global: , local: }. ``lr``: multiplier of the optimizer's learning
    rate. ``batch_size`` in blocks over all ranks; None is the run's global_train_batch_size.
    """

    name: str
    duration: str | int
    mask_ratio: CurveLike
    max_seq_len: int
    mixture: Mapping[str, SourceMixture | Mapping[str, Any]]
    rope_theta: float | Mapping[str, float] | RopeTheta = 10_000.0
    lr: CurveLike | None = None
    batch_size: CurveLike | None = None

    def __post_init__(self) -> None:
        where = f"phase {self.name!r}"
        ratio = parse_curve(self.mask_ratio, f"{where}: mask_ratio")
        if not (ratio.low > 0.0 and ratio.high < 1.0):
            bad = ratio.low if ratio.low <= 0.0 else ratio.high
            raise UserError(f"{where}: mask_ratio={bad:g} must be in (0, 1)")
        length = cast("object", self.max_seq_len)  # whatever a YAML holds
        if isinstance(length, bool) or not isinstance(length, int) or length < 4:
            raise UserError(f"{where}: max_seq_len={length!r} must be a whole number of at least 4 tokens")
        if not self.mixture:
            raise UserError(f"{where}: mixture is empty; name at least one source, or '*' for all data")


def parse_theta(value: object, where: str) -> RopeTheta:
    """A :class:`RopeTheta` from one number or ``{global: , local: }``."""
    if isinstance(value, RopeTheta):
        return value
    ends = [value, value]
    if isinstance(value, Mapping):
        row = cast("Mapping[object, object]", value)
        if set(row) != {"global", "local"}:
            raise UserError(f"{where}: {dict(row)!r} must be one number or {{global: , local: }}")
        ends = [row["global"], row["local"]]
    thetas: list[float] = []
    for end in ends:
        if isinstance(end, bool) or not isinstance(end, int | float) or end <= 1:
            raise UserError(f"{where}: {end!r} must be a number above 1 (10_000 and 160_000 are usual)")
        thetas.append(float(end))
    return RopeTheta(*thetas)


def parse_mixture(phase: Phase) -> dict[str, SourceMixture]:
    """The phase's sources, checked: known keys, tau in [0, 1], shares that sum to 1."""
    where = f"phase {phase.name!r}"
    sources: dict[str, SourceMixture] = {}
    known = [field.name for field in fields(SourceMixture)]
    for source, row in phase.mixture.items():
        at = f"{where}: mixture.{source}"
        if isinstance(row, SourceMixture):
            parsed = row
        else:
            values: dict[str, Any] = dict(row)
            if "temperature" in values:
                if "tau" in values:
                    raise UserError(f"{at}: give tau or temperature, not both")
                temperature = values.pop("temperature")
                if isinstance(temperature, int | float) and temperature > 1:
                    raise UserError(
                        f"{at}: temperature={temperature:g} is above 1; here it is the exponent tau in "
                        f"p_i ~ n_i ** tau. Where p_i ~ n_i ** (1 / T), write tau: {1 / temperature:g}"
                    )
                values["tau"] = temperature
            unknown = sorted(set(values) - set(known))
            if unknown:
                raise UserError(f"{at}: unknown key {unknown[0]!r}; a source has {', '.join(known)}")
            if "share" not in values and len(phase.mixture) > 1:
                hint = (
                    "; '*' may come from a file that this one extends: '*': null removes it"
                    if "*" in phase.mixture
                    else ""
                )
                raise UserError(f"{at}: share is missing{hint}")
            values.setdefault("share", 1.0)
            parsed = SourceMixture(**values)
        share = cast("object", parsed.share)
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0.0 < share <= 1.0:
            raise UserError(f"{at}: share={share!r} must be in (0, 1]")
        if isinstance(parsed.languages, bool | float | Mapping):
            raise UserError(f"{at}: languages={parsed.languages} must be codes, a file of codes or a whole number")
        if isinstance(parsed.languages, list | tuple) and not parsed.languages:
            raise UserError(f"{at}: languages is empty; leave it out for every stream of the source")
        tau = parse_curve(parsed.tau, f"{at}.tau")
        if tau.low < 0.0 or tau.high > 1.0:
            bad = tau.low if tau.low < 0.0 else tau.high
            raise UserError(f"{at}: tau={bad:g} must be in [0, 1]")
        sources[source] = parsed
    total = sum(source.share for source in sources.values())
    if abs(total - 1.0) > 1e-6:
        raise UserError(f"{where}: the shares of {', '.join(sources)} sum to {total:g}, not 1 (or set normalize: true)")
    if ALL_STREAMS in sources and len(sources) > 1:
        raise UserError(f"{where}: mixture '*' is all data; it cannot stand beside {', '.join(set(sources) - {'*'})}")
    return sources
