"""From a phase's mixture to the share of every stream in every segment."""

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmbert_composer.curriculum.curriculum import Curriculum, ScheduledPhase
from mmbert_composer.curriculum.phase import ALL_STREAMS, SourceMixture
from mmbert_composer.curriculum.temperature_shares import cap_shares, temperature_shares
from mmbert_composer.curriculum.tokens import format_tokens
from mmbert_composer.errors import UserError


@dataclass(frozen=True)
class StreamSize:
    """What a stream holds: ``tokens`` real tokens (they set p_i) in ``blocks`` blocks (they set passes)."""

    tokens: int
    blocks: int
    part_blocks: tuple[int, ...] = ()
    """Blocks of each part, in the order they were added; empty for one part."""


def select_streams(source: str, mixture: SourceMixture, sizes: Mapping[str, StreamSize], where: str) -> list[str]:
    """Names ("source/language") of the streams that a row of the mixture means, sorted.

    A number means the n largest by tokens, all where there are fewer. A code of a list means the stream of that name;
    a code without a script, where there is none, all streams of it: ``uzn`` is ``uzn_Latn`` and ``uzn_Cyrl``.

    Raises:
        UserError: naming the languages that the data lacks, with the nearest that it has.
    """
    pool = {
        name: size
        for name, size in sizes.items()
        if (source == ALL_STREAMS or name.split("/", 1)[0] == source) and size.blocks > 0
    }
    if not pool:
        have = sorted({name.split("/", 1)[0] for name in sizes})
        near = difflib.get_close_matches(source, have, 1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; it has {', '.join(have) or 'nothing'}"
        raise UserError(f"{where}: the data has no source {source!r}{hint}")
    wanted = mixture.languages
    if wanted is None:
        return sorted(pool)
    if isinstance(wanted, int):
        if isinstance(wanted, bool) or wanted < 1:
            raise UserError(f"{where}: languages={wanted} must be at least 1")
        return sorted(sorted(pool, key=lambda name: (-pool[name].tokens, name))[:wanted])
    named = _named(wanted, pool)
    missing = [code for code, found in named.items() if not found]
    if missing:
        codes = sorted({name.split("/", 1)[1] for name in pool})
        near = {code: difflib.get_close_matches(code, codes, 1) for code in missing[:10]}
        listed = ", ".join(f"{code} (nearest: {found[0]})" if found else code for code, found in near.items())
        more = f" and {len(missing) - 10} more" if len(missing) > 10 else ""
        empty = [f"{source}/{code}" for code in missing if f"{source}/{code}" in sizes]
        note = f"; without a training block: {', '.join(empty[:5])}" if empty else ""
        raise UserError(f"{where}: the data lacks {listed}{more} in source {source!r}{note}")
    return sorted({name for found in named.values() for name in found})


def _named(wanted: Sequence[str], pool: Mapping[str, StreamSize]) -> dict[str, list[str]]:
    """Code to the streams it means: in each source the one of that name, or where there is none all its scripts."""
    scripts: dict[str, list[str]] = {}
    for name in pool:
        source, code = name.split("/", 1)
        language, underscore, _ = code.partition("_")
        if underscore:
            scripts.setdefault(f"{source}/{language}", []).append(name)
    sources = sorted({name.split("/", 1)[0] for name in pool})
    return {
        code: [
            name
            for full in (f"{source}/{code}" for source in sources)
            for name in ([full] if full in pool else scripts.get(full, []))
        ]
        for code in wanted
    }


def phase_shares(
    curriculum: Curriculum,
    phase: ScheduledPhase,
    names: Sequence[str],
    sizes: Mapping[str, StreamSize],
    capacity: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Share of every stream in each segment of a phase: [segments, streams], rows sum to 1.

    ``capacity``: [streams] blocks that may still be drawn before max_passes binds.
    """
    segments = range(phase.first_segment, phase.first_segment + phase.segments)
    taus = [curriculum.tau_at(segment) for segment in segments]
    column = {name: number for number, name in enumerate(names)}
    result = np.zeros((phase.segments, len(names)))
    for source, mixture in phase.mixture.items():
        where = f"phase {phase.name!r}: mixture.{source}"
        chosen = select_streams(source, mixture, sizes, where)
        columns = np.array([column[name] for name in chosen])
        tokens = np.array([sizes[name].tokens for name in chosen], np.int64)
        by_tau = {tau: temperature_shares(tokens, tau) for tau in {row[source] for row in taus}}
        shares = np.stack([by_tau[row[source]] for row in taus])
        blocks = mixture.share * curriculum.segment_blocks
        try:
            shares = cap_shares(shares, blocks, capacity[columns])
        except UserError as error:
            segments_left = int(capacity[columns].sum() / blocks)
            longest = segments_left * curriculum.segment_blocks * curriculum.block_size
            held = sum(sizes[name].blocks for name in chosen)
            assert curriculum.max_passes is not None, "nothing is capped without max_passes"
            enough = curriculum.max_passes + (blocks * phase.segments - capacity[columns].sum()) / held
            shorten = "Shorten it or the phases before it" if longest else "Shorten the phases before it"
            lower = ", lower the share" if mixture.share < 1 else ""
            raise UserError(
                f"{where}: with max_passes={curriculum.max_passes:g} its {len(chosen)} streams ({held:,} blocks) "
                f"are all capped; the longest feasible duration of this phase is {format_tokens(longest)} tokens "
                f"({longest}tok, whole segments of {curriculum.segment_blocks} blocks), asked are "
                f"{format_tokens(phase.duration_tok)}. {shorten}{lower}, or set "
                f"curriculum.max_passes={math.ceil(enough * (1 + 1e-9))} here and when training: texts then come up to "
                f"so many times, and after the first few a model learns them by heart"
            ) from error
        result[:, columns] += mixture.share * shares
    return result / result.sum(axis=1, keepdims=True)
