"""The top of the report: one sentence and the numbers that matter."""

import math
from collections.abc import Sequence
from html import escape

import numpy as np

from mmbert_composer.model_size import model_size
from mmbert_composer.report.read_run import RunRecord
from mmbert_composer.report.stream_rows import StreamRow, step_fill
from mmbert_composer.report.svg_figure import three_digits


def summary(run: RunRecord, rows: Sequence[StreamRow]) -> str:
    """Lead sentence, a banner while the run is going on, and the cards."""
    cards = [_model(run), _languages(run, rows), _tokens(run), _time(run), _loss(run), _merged(run)]
    body = "".join(
        f'<div class="card" id="card-{key}"><h3>{title}</h3><b>{value}</b><span>{note}</span></div>'
        for card in cards
        if card is not None
        for key, title, value, note in [card]
    )
    return f'<p class="lead">{_lead(run, rows)}</p>{_banner(run)}<div class="cards">{body}</div>'


def training_seconds(run: RunRecord) -> float:
    """Time in training steps: each step's slots by its speed. Evaluation and start-up are not in it."""
    steps = run.log.steps
    slots = run.step_slots
    speed = steps["tokens_per_second"]
    known = np.isfinite(slots) & np.isfinite(speed) & (speed > 0)
    if not known.any():
        return math.nan
    # A step without a measured speed took about as long as the others.
    return float((slots[known] / speed[known]).sum() * len(known) / known.sum())


def format_seconds(seconds: float) -> str:
    """Two units at most: ``43 s``, ``7 min 12 s``, ``40 d 3 h``."""
    whole = round(seconds)
    for unit, scale, below, below_scale in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if whole >= scale:
            rest = whole % scale // below_scale
            return f"{whole // scale} {unit}" + (f" {rest} {below}" if rest else "")
    return f"{whole} s"


def _lead(run: RunRecord, rows: Sequence[StreamRow]) -> str:
    trained = sum(any(share > 0 for share in row.shares) for row in rows)
    count = len(run.phases)
    phases = f"{count} phases" if count > 1 else "one phase"
    waves = [sum(row.wave == phase.wave for row in rows) for phase in run.phases]
    joined = [wave for wave in waves if wave]
    by_wave = f", joining {', then '.join(f'{wave:,}' for wave in joined)}," if len(joined) > 1 else ""
    noun = "languages" if trained != 1 else "language"
    how = "trained" if run.finished else "being trained"
    so_far = "" if run.finished else " so far"
    tokens = three_digits(run.reached_tok)
    return f"An encoder for {trained:,} {noun}{by_wave} {how} in {phases}, on {tokens} tokens{so_far}."


def _banner(run: RunRecord) -> str:
    if run.finished:
        return ""
    part = run.reached_tok / run.total_tok
    tokens = f"{three_digits(run.reached_tok)} of {three_digits(run.total_tok)} tokens"
    text = f"Not finished: {part:.0%} of the plan, {tokens}."
    bar = f'<div class="progress"><i style="width:{part:.1%}"></i></div>'
    return f'<div class="banner" id="in-progress">{text}{bar}</div>'


def _model(run: RunRecord) -> tuple[str, str, str, str] | None:
    if run.model is None:
        return None
    total, rest = model_size(run.model)
    shape = f"{run.model['num_hidden_layers']} layers × {run.model['hidden_size']}"
    note = f"parameters, {three_digits(rest)} outside the embedding; {shape}, vocabulary {run.model['vocab_size']:,}"
    return "model", "Model", three_digits(total), note


def _languages(run: RunRecord, rows: Sequence[StreamRow]) -> tuple[str, str, str, str]:
    trained = [row for row in rows if any(share > 0 for share in row.shares)]
    sources = f"from {len(run.sources)} sources" if len(run.sources) > 1 else f"from {escape(run.sources[0])}"
    waves = len({row.wave for row in trained})
    noun = "streams" if len(run.sources) > 1 else "languages"
    return "languages", noun.capitalize(), f"{len(trained):,}", sources + (f", in {waves} waves" if waves > 1 else "")


def _tokens(run: RunRecord) -> tuple[str, str, str, str]:
    note = f"{len(run.log.phases):,} steps"
    fill = step_fill(run)
    if np.isfinite(fill).any():
        note = f"{np.nanmean(fill):.1%} real, the rest padding; {note}"
    return "tokens", "Tokens", three_digits(run.reached_tok), note


def _time(run: RunRecord) -> tuple[str, str, str, str] | None:
    seconds = training_seconds(run)
    if not math.isfinite(seconds):
        return None
    speed = float(np.nanmedian(run.log.steps["tokens_per_second"]))
    return "time", "Time in training steps", format_seconds(seconds), f"{speed:,.0f} tokens a second (median)"


def _loss(run: RunRecord) -> tuple[str, str, str, str]:
    finite = [entry for entry in run.log.evals if math.isfinite(entry.loss)]
    if finite:
        note = "nats a masked token, at mask ratio 0.15"
        if math.isfinite(finite[-1].accuracy):
            note = f"nats a masked token; {finite[-1].accuracy:.1%} guessed right"
        return "loss", "Held-out loss", _from_to(finite[0].loss, finite[-1].loss), note
    loss = run.log.steps["loss"]
    loss = loss[np.isfinite(loss)]
    tenth = max(1, min(20, len(loss) // 10))
    value = _from_to(loss[:tenth].mean(), loss[-tenth:].mean()) if len(loss) else "–"
    return "loss", "Training loss", value, "nats a masked token, as the mask ratio went"


def _from_to(first: float, last: float) -> str:
    return f"<s>{first:.2f} →</s> {last:.2f}"


def _merged(run: RunRecord) -> tuple[str, str, str, str] | None:
    if run.merge is None:
        return None
    inputs = run.merge.get("inputs")
    count = f"{len(inputs)} checkpoints, in " if isinstance(inputs, list) else ""
    method = escape(str(run.merge.get("method", "merged")))
    return "merged", "Merged model", method, f"{count}<code>{escape(str(run.folder / 'merged'))}</code>"
