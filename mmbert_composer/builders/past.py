"""What a run was trained with so far: written into its checkpoints, and compared before one is resumed.

A setting whose change would make the result another one than the uninterrupted run's must be as it was. Scheduled
values are compared as functions of the clock, up to the checkpoint: a phase not yet begun may change, and so may the
one under way where that changes nothing behind it (a longer one at a constant learning rate).
"""

import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from composer.core import Callback
from transformers import ModernBertConfig

from mmbert_composer.config import RunConfig
from mmbert_composer.curriculum import Curriculum, Phase
from mmbert_composer.curriculum.curriculum import ScheduledPhase
from mmbert_composer.data.manifest import Manifest
from mmbert_composer.errors import UserError
from mmbert_composer.models.modernbert_config import DERIVED_KEYS, build_config
from mmbert_composer.optim.build_optimizer import OPTIMIZERS

ELSEWHERE = ("global_rope_theta", "local_rope_theta")
"""Of the model's config: what the phases say."""

POINTS = 256
"""Places of a phase at which its old and new values are compared, beside its last token."""


class PastRecord(Callback):
    """Carries ``describe_past`` in the run's checkpoints."""

    def __init__(self, past: Mapping[str, Any]) -> None:
        self._past = dict(past)

    def state_dict(self) -> dict[str, Any]:
        return self._past


def describe_past(config: RunConfig, manifest: Manifest) -> dict[str, Any]:
    """The settings that what is trained depends on, as plain values, with defaults filled in.

    ``settings`` are compared as they are; ``curriculum`` is what a Curriculum is made from, without the mixtures,
    which the plan's chain covers.
    """
    built = build_config(config.model, manifest.vocab_size, manifest.special_ids, config.data.block_size)
    names = set(inspect.signature(ModernBertConfig.__init__).parameters) - {"self", "kwargs", *DERIVED_KEYS, *ELSEWHERE}
    model = {name: getattr(built, name) for name in sorted({*names, "attention_out_dropout"})}
    model["z_loss"] = config.model.get("z_loss", 0.0)
    optimizer = {
        name: parameter.default
        for name, parameter in inspect.signature(OPTIMIZERS[config.optimizer["name"]]).parameters.items()
        if parameter.default is not parameter.empty
    } | config.optimizer
    settings: dict[str, Any] = {
        "seed": config.seed,
        "precision": config.precision,
        "tokenizer": manifest.tokenizer_hash,
        "scheduler": config.scheduler,
        "algorithms": config.algorithms,
    }
    settings |= {f"model.{key}": value for key, value in model.items()}
    settings |= {f"optimizer.{key}": value for key, value in optimizer.items()}
    return {
        "settings": {key: _plain(value) for key, value in settings.items()},
        "curriculum": {
            "phases": [{key: value for key, value in row.items() if key != "mixture"} for row in config.phases],
            "block_size": config.data.block_size,
            "segment_blocks": config.data.segment_blocks,
            "global_train_batch_size": config.global_train_batch_size,
            "batch_size_multiple": config.batch_size_multiple,
            "num_canonical_nodes": config.data.num_canonical_nodes,
        },
    }


def check_past(content: Mapping[str, Any], path: Path, now: Mapping[str, Any], token: int) -> None:
    """Refuse to resume the checkpoint ``content`` of ``path``, which stands at ``token``, with another past.

    Raises UserError with the values of both sides. A checkpoint without a record has nothing to compare.
    """
    before = content["state"].get("callbacks", {}).get(PastRecord.__name__)
    changes = [] if before is None else list(changed_past(before, now, token))
    if changes:
        more = f"; and {len(changes) - 5} more" if len(changes) > 5 else ""
        raise UserError(
            f"{path} was trained with other settings: {'; '.join(changes[:5])}{more}. What is trained stays as it is: "
            f"set them back, or name another save_folder, and start it from this checkpoint with load_path and "
            f"load_as: continue or weights if you like"
        )


def changed_past(before: Mapping[str, Any], now: Mapping[str, Any], token: int) -> Iterator[str]:
    """``seed was 5, is 6 now`` for each setting, and for each scheduled value before ``token``, that differs."""
    old, new = before["settings"], now["settings"]
    for key in dict.fromkeys([*old, *new]):
        if old.get(key) != new.get(key):
            yield f"{key} was {old.get(key)!r}, is {new.get(key)!r} now"
    for key in ("block_size", "segment_blocks"):
        if before["curriculum"][key] != now["curriculum"][key]:
            yield f"data.{key} was {before['curriculum'][key]}, is {now['curriculum'][key]} now"
            return  # nothing on the clocks is comparable
    was, becomes = _curriculum(before), _curriculum(now)
    for phase in was.phases:
        if phase.start_tok < token:
            yield from _changed_values(phase, was, becomes, min(phase.end_tok, token))


def _changed_values(phase: ScheduledPhase, was: Curriculum, becomes: Curriculum, end: int) -> Iterator[str]:
    length = end - phase.start_tok
    tokens = sorted({*(phase.start_tok + length * point // POINTS for point in range(POINTS)), end - 1})
    for name in ("phase", "mask_ratio", "max_seq_len", "rope_theta", "lr", "batch_size"):
        for token in tokens:
            old, new = getattr(was.at(token), name), getattr(becomes.at(token), name)
            if old != new:
                yield f"phase {phase.name!r}: {name} at token {token} was {old}, is {new} now"
                break


def _curriculum(past: Mapping[str, Any]) -> Curriculum:
    values = dict(past["curriculum"])
    phases = [Phase(**row, mixture={"*": {}}) for row in values.pop("phases")]
    return Curriculum(phases, **values)


def _plain(value: Any) -> Any:
    return [_plain(item) for item in value] if isinstance(value, tuple | list) else value
