"""The part of a model card about the data: shares and licence notes of sources, languages with their tokens."""

from collections.abc import Mapping, Sequence

from mmbert_composer.curriculum.tokens import format_tokens
from mmbert_composer.data.languages import NO_LANGUAGE, language_name, sort_languages


def language_codes(streams: Sequence[str]) -> list[str]:
    """Codes of the languages in streams "source/language", in the order of their English names."""
    return sort_languages({stream.rpartition("/")[2] for stream in streams} - {NO_LANGUAGE})


def sources(
    streams: Sequence[str],
    tokens: Mapping[str, float],
    licences: Mapping[str, Sequence[str]],
    origins: Mapping[str, Sequence[str]],
) -> str:
    """Table of the sources: streams, share of the real tokens trained on, origin, licence; "" without streams.

    ``tokens``: real tokens of each stream, empty if they were not counted. ``licences``, ``origins``: notes by source.
    """
    if not streams:
        return ""
    total = sum(tokens.values())
    rows = []
    for source in sorted({stream.rpartition("/")[0] for stream in streams}):
        own = [stream for stream in streams if stream.rpartition("/")[0] == source]
        count = sum(tokens.get(stream, 0.0) for stream in own)
        share = f"{count / total:.1%} ({format_tokens(count)} tokens)" if total else "not counted"
        notes = [_cell(found.get(source, ())) for found in (origins, licences)]
        rows.append(f"| {source} | {len(own)} | {share} | {' | '.join(notes)} |")
    head = "| source | streams | share of the tokens trained on | origin | licence note |\n|---|---|---|---|---|"
    return "\n".join(["## Data\n", head, *rows])


def _cell(notes: Sequence[str]) -> str:
    return "; ".join(notes).replace("|", "\\|") or "not noted"


def languages(streams: Sequence[str], tokens: Mapping[str, float]) -> str:
    """The languages by name, with the real tokens trained on where they were counted; "" without any."""
    codes = language_codes(streams)
    if not codes:
        return ""
    counts = dict.fromkeys(codes, 0.0)
    for stream, count in tokens.items():
        code = stream.rpartition("/")[2]
        if code in counts:
            counts[code] += count
    shown = [
        f"{language_name(code)} (`{code}`{', ' + format_tokens(counts[code]) if counts[code] else ''})"
        for code in codes
    ]
    title = f"{len(codes)} languages" + (", with the real tokens trained on" if tokens else "")
    return f"## Languages\n\n<details><summary>{title}</summary>\n\n{', '.join(shown)}\n\n</details>"
