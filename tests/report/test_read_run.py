"""A run folder as data: phases on the clock, waves of languages, progress."""

from collections.abc import Callable

import pytest

from mmbert_composer.errors import UserError
from mmbert_composer.report.read_run import EARLIER_RUN, NOT_TRAINED, read_run
from tests.report.made_up_run import SEGMENT_TOK


def test_phases_and_waves(made_up_run: Callable) -> None:
    run = read_run(made_up_run().write())
    assert [(phase.name, phase.start_tok // SEGMENT_TOK, phase.end_tok // SEGMENT_TOK) for phase in run.phases] == [
        ("pretrain", 0, 8),
        ("extend", 8, 12),
        ("decay", 12, 16),
    ]
    assert [wave.name for wave in run.waves] == ["pretrain", "extend", "decay"]
    assert run.waves[run.wave_of[run.streams.index("cldr/eng")]].name == "pretrain"
    assert run.waves[run.wave_of[run.streams.index("cldr/por")]].name == "extend"
    assert run.finished
    assert run.reached_tok == run.total_tok == 16 * SEGMENT_TOK


def test_a_run_still_going_on(made_up_run: Callable) -> None:
    made = made_up_run()
    made.lines = [line for line in made.lines if line["batch"] <= 20]
    run = read_run(made.write())
    assert not run.finished
    assert run.reached_tok == 5 * SEGMENT_TOK  # four steps a segment


def test_streams_of_an_earlier_run_are_a_wave_of_their_own(made_up_run: Callable) -> None:
    made = made_up_run()
    made.plan["cursors"][0] = 7
    run = read_run(made.write())
    assert [wave.name for wave in run.waves] == [EARLIER_RUN, "pretrain", "extend", "decay"]
    assert run.wave_of[0] == 0
    assert run.wave_of[1] == 1
    assert [phase.wave for phase in run.phases] == [1, 2, 3]


def test_a_stream_that_is_only_measured(made_up_run: Callable) -> None:
    made = made_up_run()
    for line in made.lines:
        if line.get("event") == "eval":
            line["streams"]["cldr/fao"] = {"loss": 4.0, "masked": 5}
    run = read_run(made.write())
    assert run.streams[-1] == "cldr/fao"
    assert run.waves[run.wave_of[-1]].name == NOT_TRAINED


def test_no_plan_names_the_file(made_up_run: Callable) -> None:
    folder = made_up_run().write()
    (folder / "plan.json").unlink()
    with pytest.raises(UserError, match=r"run/plan.json: not a readable plan"):
        read_run(folder)


def test_why_there_are_no_passes(made_up_run: Callable) -> None:
    made = made_up_run()
    assert read_run(made.write()).data_problem == "config.yaml names no data.root"
    run = read_run(made.write({"data": {"root": "/nowhere"}}))
    assert run.held_blocks is None
    assert "no data in /nowhere" in run.data_problem
