"""What differs between two plans, in words."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from mmbert_composer.data.inputs.unit import InputUnit
from mmbert_composer.data.preparing.job_plan import JobPlan

NAMED = 5


def plan_differences(old: JobPlan, new: JobPlan) -> list[str]:
    """What differs, the first of it: ``["block_size was 512, is 1024", "input a.jsonl is new"]``; [] when nothing."""
    found = list(_changed(_settings(old), _settings(new)))
    before, now = _units(old), _units(new)
    found += [f"input {name} is new" for name in now if name not in before]
    found += [f"input {name} is missing" for name in before if name not in now]
    for name in before.keys() & now.keys():
        was, unit = before[name], now[name]
        if was.identity != unit.identity:
            found.append(f"input {name} changed ({was.size:,} bytes then, {unit.size:,} now, or its date)")
    if len(old.inputs) == len(new.inputs):
        for was, planned in zip(old.inputs, new.inputs, strict=True):
            found += _changed(
                {**was.options.to_json(), "licence": was.licence},
                {**planned.options.to_json(), "licence": planned.licence},
            )
    elif not found:
        found.append(f"inputs were of {len(old.inputs)} kinds or options, are of {len(new.inputs)}")
    if not found and old.task_bytes != new.task_bytes:  # else it may follow from the inputs
        found.append(f"task_bytes was {old.task_bytes:,}, is {new.task_bytes:,}")
    return found[:NAMED]


def _settings(plan: JobPlan) -> dict[str, Any]:
    return {
        "tokenizer_hash": plan.tokenizer_hash,
        "tokenizers_version": plan.tokenizers_version,
        **asdict(plan.settings),
    }


def _units(plan: JobPlan) -> dict[str, InputUnit]:
    return {unit.name: unit for planned in plan.inputs for unit in planned.units}


def _changed(old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    for key in sorted(old.keys() | new.keys()):
        if old.get(key) != new.get(key):
            yield f"{key} was {old.get(key)}, is {new.get(key)}"
