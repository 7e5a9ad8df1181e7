"""The report's tables as HTML: phases, languages, sources, what was merged."""

import math
from collections.abc import Callable, Sequence
from html import escape

import numpy as np

from mmbert_composer.report.read_run import PhaseSpan, RunRecord
from mmbert_composer.report.stream_rows import StreamRow, phase_shares
from mmbert_composer.report.svg_figure import three_digits, wave_variable

DASH = "–"


def dot(run: RunRecord, wave: int) -> str:
    """The coloured dot of a wave."""
    return f'<i class="dot" style="--of:var({wave_variable(run, wave)})"></i>'


def number(value: float, form: str) -> str:
    """The number in a format, or a dash where there is none."""
    return format(value, form).replace("-", "−") if math.isfinite(value) else DASH


def _table(table_id: str, head: str, body: str) -> str:
    return f'<div class="scroll"><table id="{table_id}"><thead>{head}</thead><tbody>{body}</tbody></table></div>'


def phase_table(run: RunRecord, rows: Sequence[StreamRow]) -> str:
    """A row a phase: what was planned, and the values that its steps used."""
    heads = ["Phase", "Tokens", "Steps", "Languages", "τ", "Mask ratio", "Max length", "RoPE θ", "Learning rate"]
    heads += ["Batch", "Held-out loss"]
    body = []
    for i, phase in enumerate(run.phases):
        used = [row for row in rows if row.shares[i] > 0]
        new = sum(row.wave == phase.wave for row in used)
        languages = f"{len(used):,}" + (f" <small>(+{new:,})</small>" if i and new else "")
        cells = [
            three_digits(phase.end_tok - phase.start_tok),
            f"{sum(name == phase.name for name in run.log.phases):,}",
            languages,
            _taus(run, phase),
            _used(run, phase, ["mask_ratio"], ".3g"),
            _used(run, phase, ["max_seq_len"], ",.0f"),
            _used(run, phase, ["rope_theta/global", "rope_theta/local"], ",.0f"),
            _used(run, phase, ["lr"], ".2g"),
            _used(run, phase, ["batch_size"], ",.0f"),
            number(_loss_at_end(run, phase), ".3f"),
        ]
        name = f'<td class="text">{dot(run, phase.wave)}{escape(phase.name)}</td>'
        body.append(f"<tr>{name}{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>")
    head = "".join(f'<th class="text">{name}</th>' if name == "Phase" else f"<th>{name}</th>" for name in heads)
    return _table("phases", f"<tr>{head}</tr>", "".join(body))


def _used(run: RunRecord, phase: PhaseSpan, columns: list[str], form: str) -> str:
    """First and last value of the phase's steps, once where they agree; several columns with a slash."""
    inside = np.array([name == phase.name for name in run.log.phases], bool)
    texts = []
    for column in columns:
        values = run.log.steps[column][inside] if column in run.log.steps else np.array([])
        values = values[np.isfinite(values)]
        if len(values):
            first, last = format(values[0], form), format(values[-1], form)
            texts.append(first if first == last else f"{first} → {last}")
    return " / ".join(dict.fromkeys(texts)) or DASH


def _taus(run: RunRecord, phase: PhaseSpan) -> str:
    columns = [name for name in run.log.steps if name.startswith("tau/")]
    texts = {column.removeprefix("tau/"): _used(run, phase, [column], ".3g") for column in columns}
    texts = {source: text for source, text in texts.items() if text != DASH}
    if len(set(texts.values())) <= 1:
        return next(iter(texts.values()), DASH)
    return "<br>".join(f"{escape(source)} {text}" for source, text in texts.items())


def _loss_at_end(run: RunRecord, phase: PhaseSpan) -> float:
    inside = [entry.loss for entry in run.log.evals if phase.start_tok < entry.token <= phase.end_tok]
    return inside[-1] if inside else math.nan


def source_table(run: RunRecord) -> str:
    """Shares of the sources per phase, where a run has several."""
    shares = phase_shares(run)
    source_of = np.array([name.split("/")[0] for name in run.streams])
    head = "".join(f"<th>{escape(phase.name)}</th>" for phase in run.phases)
    body = "".join(
        f'<tr><td class="text">{escape(source)}</td>'
        + "".join(f"<td>{share:.1%}</td>" for share in shares[:, source_of == source].sum(1))
        + "</tr>"
        for source in run.sources
    )
    head = f'<tr><th class="text">Source</th>{head}</tr>'
    return _table("sources", head, body)


def language_table(run: RunRecord, rows: Sequence[StreamRow]) -> str:
    """A row a stream; numbers also as data-value, which the page's script sorts by. Empty columns are left out."""
    columns: dict[str, tuple[Callable[[StreamRow], float], str]] = {
        "Blocks": (lambda row: row.blocks, ",.0f"),
        "Tokens": (lambda row: row.tokens, ",.0f"),
        "Passes": (lambda row: row.passes, ".2f"),
        "Loss before": (lambda row: row.before, ".3f"),
        "Loss at end": (lambda row: row.after, ".3f"),
        "Change": (lambda row: row.after - row.before, "+.3f"),
    }
    columns = {
        name: (value, form) for name, (value, form) in columns.items() if any(map(math.isfinite, map(value, rows)))
    }
    head = "".join(
        f'<th class="text"><button type="button">{name}</button></th>' for name in ("Language", "Stream", "Joined in")
    ) + "".join(f'<th><button type="button">{name}</button></th>' for name in columns)
    body = "".join(
        f'<tr><td class="text">{escape(row.label)}</td><td class="text code">{escape(row.name)}</td>'
        f'<td class="text" data-value="{row.wave}">{dot(run, row.wave)}{escape(run.waves[row.wave].name)}</td>'
        + "".join(_number_cell(value(row), form) for value, form in columns.values())
        + "</tr>"
        for row in rows
    )
    return (
        '<input id="filter" type="search" placeholder="Find a language, a code, a phase" '
        'aria-label="Find a language" hidden>' + _table("languages", f"<tr>{head}</tr>", body)
    )


def _number_cell(value: float, form: str) -> str:
    key = format(value, ".6g") if math.isfinite(value) else ""
    return f'<td data-value="{key}">{number(value, form)}</td>'


def merge_list(merge: dict[str, object]) -> str:
    """The contents of merge.json: values as a list of terms, lists of inputs folded when long."""
    terms = "".join(f"<dt>{escape(str(key))}</dt><dd>{_value(value)}</dd>" for key, value in merge.items())
    return f'<dl id="merge">{terms}</dl>'


def _value(value: object) -> str:
    if isinstance(value, dict):
        return "<br>".join(f"{escape(str(key))}: {escape(str(item))}" for key, item in value.items())
    if isinstance(value, list):
        items = "<br>".join(_value(item) for item in value)
        return items if len(value) <= 6 else f"<details><summary>{len(value)} entries</summary>{items}</details>"
    return f"<code>{escape(str(value))}</code>"
