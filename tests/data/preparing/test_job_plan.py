from collections.abc import Callable
from pathlib import Path

import pytest

from mmbert_composer.data.inputs.input_kind import Found
from mmbert_composer.data.inputs.read_options import ReadOptions
from mmbert_composer.data.inputs.spec import InputSpec, parse_inputs
from mmbert_composer.data.inputs.unit import InputUnit
from mmbert_composer.data.preparing.job_plan import (
    MIN_TASK_BYTES,
    TASK_BYTES,
    JobPlan,
    Settings,
    load_plan,
    make_plan,
)
from mmbert_composer.data.preparing.plan_differences import plan_differences
from mmbert_composer.errors import UserError


def spec_of(*sizes: int, kind: str = "jsonl", options: ReadOptions | None = None, ending: str = "") -> InputSpec:
    units = tuple(InputUnit(kind, f"/in/{n}.{kind}{ending}", size, f"identity {n}") for n, size in enumerate(sizes))
    return InputSpec(f"{kind}:/in/*", kind, options or ReadOptions(), Found(units))


def plan_of(*specs: InputSpec, task_bytes: int | None = 100, **settings) -> JobPlan:
    return make_plan(specs, "tokenizer", Settings(**settings), "0000", task_bytes)


def test_units_are_grouped_in_order_up_to_the_size_of_a_task() -> None:
    plan = plan_of(spec_of(60, 40, 1, 500, 20, 20))
    assert [[unit.size for _, unit in task.units] for task in plan.route_tasks()] == [[60, 40], [1], [500], [20, 20]]
    assert [task.bytes for task in plan.route_tasks()] == [100, 1, 500, 40]
    assert plan.input_bytes == plan.text_bytes == 641
    assert plan.num_pack_tasks == 7


def test_compressed_text_is_expected_to_be_more() -> None:
    assert plan_of(spec_of(100, ending=".gz")).text_bytes == 300


def test_tasks_are_smaller_for_a_small_job_and_stay_when_a_file_is_mended() -> None:
    assert plan_of(spec_of(1000), task_bytes=None).task_bytes == MIN_TASK_BYTES
    assert plan_of(spec_of(10**13), task_bytes=None).task_bytes == TASK_BYTES
    middle = plan_of(spec_of(20 << 30), task_bytes=None)
    assert 32 <= middle.input_bytes / middle.task_bytes <= 64
    assert plan_of(spec_of((20 << 30) + 12345), task_bytes=None).task_bytes == middle.task_bytes


def test_neither_the_order_of_inputs_nor_how_a_glob_is_written_matters(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / f"{name}.jsonl").write_text('{"text": "a"}')
    names = [f"jsonl:{tmp_path}/{pattern}.jsonl" for pattern in ("c", "?", "a", "b")]
    plans = [plan_of(*parse_inputs(specs, ReadOptions())) for specs in ([names[1]], [names[0], names[3], names[2]])]
    assert plans[0] == plans[1]
    assert plan_differences(*plans) == []


def test_a_plan_is_read_as_it_was_written(tmp_path: Path) -> None:
    plan = plan_of(
        spec_of(10, 20), spec_of(5, kind="text", options=ReadOptions(split="paragraphs", licence="CC0")), dedup=True
    )
    plan.save(tmp_path / "plan.json")
    assert load_plan(tmp_path / "plan.json") == plan


def test_plans_that_cannot_be_used(tmp_path: Path) -> None:
    path = tmp_path / ".prepare" / "plan.json"
    with pytest.raises(UserError, match="no plan in"):
        load_plan(path)
    path.parent.mkdir()
    path.write_text('{"format": 1')
    with pytest.raises(UserError, match=rf"plan.json is damaged: remove {tmp_path} and prepare again"):
        load_plan(path)
    path.write_text('{"format": 1}')
    with pytest.raises(UserError, match=r"made by another version of mmbert .plan format 1, this version has 2"):
        load_plan(path)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda: plan_of(spec_of(10, 20), dedup=True), ["dedup was False, is True"]),
        (lambda: plan_of(spec_of(10, 20), task_bytes=50), ["task_bytes was 100, is 50"]),
        (lambda: plan_of(spec_of(10)), ["input /in/1.jsonl is missing"]),
        (lambda: plan_of(spec_of(10, 20, 30)), ["input /in/2.jsonl is new"]),
        (lambda: plan_of(spec_of(10, 20, options=ReadOptions(licence="CC0"))), ["licence was , is CC0"]),
        (
            lambda: plan_of(spec_of(10, 20, options=ReadOptions(min_characters=7))),
            ["min_characters was None, is 7"],
        ),
        (
            lambda: plan_of(spec_of(10, 20), spec_of(1, kind="text")),
            ["input /in/0.text is new"],
        ),
    ],
)
def test_differences_are_named(change: Callable[[], JobPlan], expected: list[str]) -> None:
    assert plan_differences(plan_of(spec_of(10, 20)), change()) == expected


def test_a_changed_file_is_named_with_its_sizes() -> None:
    changed = InputSpec("", "jsonl", ReadOptions(), Found((InputUnit("jsonl", "/in/0.jsonl", 1234, "another"),)))
    (difference,) = plan_differences(plan_of(spec_of(10)), plan_of(changed))
    assert difference == "input /in/0.jsonl changed (10 bytes then, 1,234 now, or its date)"


def test_tasks_that_read_the_same_alike_have_the_same_id() -> None:
    ids = [task.id for task in plan_of(spec_of(90, 90, 90)).route_tasks()]
    assert len(set(ids)) == 3
    assert [task.id for task in plan_of(spec_of(90, 90), dedup=True).route_tasks()] == ids[:2]
    other = plan_of(spec_of(90, options=ReadOptions(min_characters=2)))
    assert other.route_tasks()[0].id != ids[0]


def test_settings_out_of_range() -> None:
    with pytest.raises(UserError, match="max_documents=0 must be at least 1"):
        Settings(max_documents=0)
