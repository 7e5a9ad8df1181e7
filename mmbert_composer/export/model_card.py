"""The README of an exported model: what it was trained on, how well it does, how to use it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mmbert_composer.checkpoints.run_folder import TrainedPhase
from mmbert_composer.curriculum.tokens import format_tokens
from mmbert_composer.data.languages import stream_display_name
from mmbert_composer.export.card_data import language_codes, languages, sources
from mmbert_composer.export.card_usage import usage

_WORST = 10


@dataclass(frozen=True)
class ModelFacts:
    """What a card can say; what is not known is left out.

    ``token``: slots trained (padding included). ``tokens_real``: real tokens of each stream "source/language".
    ``held_out``: an eval line of metrics.jsonl (loss, accuracy, batch, sources, streams). ``merge``: content of
    merge.json. ``started_from``: name of the run or model that training started from. ``licences``, ``origins``: of
    each source, what was said of its text when that was prepared. ``licence``: the model's own, as its origin states
    it.
    """

    name: str
    phases: tuple[TrainedPhase, ...] = ()
    token: int | None = None
    tokens_real: Mapping[str, float] = field(default_factory=dict)
    held_out: Mapping[str, Any] | None = None
    merge: Mapping[str, Any] | None = None
    started_from: str | None = None
    licences: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    origins: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    licence: str | None = None


def model_card(facts: ModelFacts, config: Mapping[str, Any], differences: Mapping[str, float]) -> str:
    """The card in Markdown, with the metadata block that the Hugging Face hub reads."""
    parts = [
        _metadata(facts),
        f"# {facts.name}",
        _summary(facts, config),
        _phases(facts),
        _merge(facts),
        sources(_streams(facts), facts.tokens_real, facts.licences, facts.origins),
        languages(_streams(facts), facts.tokens_real),
        _held_out(facts),
        usage(config),
        _check(differences),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _streams(facts: ModelFacts) -> list[str]:
    return sorted(facts.tokens_real) or sorted({stream for phase in facts.phases for stream in phase.streams})


def _codes(facts: ModelFacts) -> list[str]:
    return language_codes(_streams(facts))


def _metadata(facts: ModelFacts) -> str:
    lines = ["---", "library_name: transformers", "pipeline_tag: fill-mask"]
    codes = sorted({code.partition("_")[0] for code in _codes(facts)})
    if codes:
        lines += ["language:", *(f"- '{code}'" for code in codes)]  # quoted: a bare no or on is a YAML boolean
    if facts.licence:
        lines += [f"license: {json.dumps(facts.licence)}"]
    tags = ["modernbert", "masked-lm", "encoder", "mmbert"] + (["merge"] if facts.merge else [])
    return "\n".join([*lines, "tags:", *(f"- {tag}" for tag in tags), "---"])


def _summary(facts: ModelFacts, config: Mapping[str, Any]) -> str:
    trained = f", trained on {format_tokens(facts.token)} tokens" if facts.token else ""
    codes = _codes(facts)
    where = f" in {len(codes)} languages" if codes else ""
    start = f" Training started from `{facts.started_from}`." if facts.started_from else ""
    return (
        f"A ModernBERT encoder for masked language modelling: {config['num_hidden_layers']} layers of width "
        f"{config['hidden_size']}, a vocabulary of {config['vocab_size']:,}, sequences of up to "
        f"{config['max_position_embeddings']:,} tokens{trained}{where}.{start}"
    )


def _phases(facts: ModelFacts) -> str:
    if not facts.phases:
        return ""
    rows = []
    for phase in facts.phases:
        end = phase.end if facts.token is None else min(phase.end, facts.token)
        row = phase.settings
        rows.append(
            f"| {phase.name} | {format_tokens(end - phase.start)} | {len(phase.streams)} | "
            f"{_curve(row.get('mask_ratio'))} | {row.get('max_seq_len', '')} | {_theta(row.get('rope_theta'))} | "
            f"{_mixture(row.get('mixture'))} |"
        )
    head = (
        "| phase | tokens | streams | mask ratio | longest sequence | RoPE theta | blocks from |\n" + "|---" * 7 + "|"
    )
    note = (
        "Tokens are slots of packed blocks, padding included; a stream is one language of one source. Inside a source "
        "a language of n tokens is drawn in proportion to n ** tau."
    )
    return "\n".join(["## Training\n", head, *rows, "", note])


def _curve(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{value.get('from')} to {value.get('to')}"
    return "" if value is None else str(value)


def _mixture(value: Any) -> str:
    parts = []
    for source, row in (value or {}).items():
        share = 1.0 if row is None else row.get("share", 1.0)
        tau = "" if row is None or "tau" not in row else f" (tau {_curve(row['tau'])})"
        parts.append(f"{'all streams' if source == '*' else source} {share:.4g}{tau}")
    return ", ".join(parts)


def _theta(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{value['global']:,.0f} global, {value['local']:,.0f} local"
    return "" if value is None else f"{value:,.0f}"


def _merge(facts: ModelFacts) -> str:
    if not facts.merge:
        return ""
    merge = facts.merge
    numbers = ", ".join(f"{name} {value}" for name, value in merge["parameters"].items())
    method = f"{merge['method']} ({numbers})" if numbers else merge["method"]
    rows = [f"- `{entry['name']}`" for entry in merge["inputs"]]
    base = [f"\nThe base is `{merge['base']['name']}`."] if merge.get("base") else []
    return "\n".join([f"## Merge\n\nThe weights are a {method} merge of\n", *rows, *base])


def _held_out(facts: ModelFacts) -> str:
    if not facts.held_out:
        return ""
    held = facts.held_out
    when = f"step {held['batch']}" + (", before merging" if facts.merge else "")
    lines = [
        "## Held-out loss\n",
        f"Nats for each masked token at mask ratio 0.15, on text kept out of training, measured at {when}: "
        f"**{held['loss']:.3f}** over all streams.",
    ]
    sources = held.get("sources") or {}
    if len(sources) > 1:
        lines += ["", "| source | loss |", "|---|---|"]
        lines += [f"| {name} | {entry['loss']:.3f} |" for name, entry in sorted(sources.items())]
    streams = {name: entry["loss"] for name, entry in (held.get("streams") or {}).items() if entry.get("masked")}
    if streams:
        order = sorted(streams, key=lambda stream: streams[stream])
        ends = order if len(order) <= 2 * _WORST else [*order[:_WORST], *order[-_WORST:]]
        title = "all streams" if ends is order else f"the {_WORST} best and the {_WORST} worst of {len(order)} streams"
        lines += ["", f"By stream ({title}):", "", "| stream | language | loss |", "|---|---|---|"]
        lines += [f"| {stream} | {stream_display_name(stream)} | {streams[stream]:.3f} |" for stream in ends]
    return "\n".join(lines)


def _check(differences: Mapping[str, float]) -> str:
    return (
        "## Check\n\nAfter writing, this folder was loaded with transformers and its logits compared with those of the "
        f"training code's packed forward, in float32: largest difference {differences['padded']:.2g} for padded "
        f"documents and {differences['alone']:.2g} for single ones (largest logit {differences['scale']:.3g})."
    )
