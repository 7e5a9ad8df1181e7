import json

import pytest

from mmbert_composer.errors import UserError
from mmbert_composer.runs.planned_phases import planned_phases

SEGMENTS = [{"phase": name, "blocks": [16]} for name in ("one", "one", "two")]
PLAN = {"format": 1, "block_size": 64, "segment_blocks": 16, "segments": SEGMENTS}


def test_phases_end_where_the_plan_says(tmp_path):
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(PLAN))
    phases = planned_phases(file)
    assert phases.ends == (("one", 2048), ("two", 3072))
    assert phases.total_tok == 3072
    assert [phases.phase_before(token) for token in (0, 2048, 2049, 9999)] == ["one", "one", "two", "two"]
    assert [phases.is_end(token) for token in (2048, 2049, 3072)] == [True, False, True]


@pytest.mark.parametrize("text", ["", "{", "[]", json.dumps({"format": 1}), json.dumps(PLAN | {"segments": []})])
def test_what_is_no_plan(tmp_path, text):
    file = tmp_path / "plan.json"
    file.write_text(text)
    with pytest.raises(UserError, match=r"plan\.json"):
        planned_phases(file)
