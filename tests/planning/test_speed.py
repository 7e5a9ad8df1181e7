import json

import pytest

from mmbert_composer.errors import UserError
from mmbert_composer.planning.speed import measured_speed, published_speed


def test_published_rates_give_the_published_days():
    base, small = (
        published_speed({"hidden_size": width, "intermediate_size": 1152, "num_hidden_layers": 22})
        for width in (768, 384)
    )
    assert base is not None
    assert small is not None
    days = [3e12 / speed.tokens_per_second / 8 / 86_400 for speed in (base, small)]
    assert days == pytest.approx([40, 10], rel=0.02)
    assert published_speed({"hidden_size": 128, "intermediate_size": 1152, "num_hidden_layers": 22}) is None


def test_measured(tmp_path):
    lines = [{"batch": n, "tokens_per_second": rate} for n, rate in enumerate([10, 400, 410, 420, 9000], 1)]
    text = "".join(json.dumps(line) + "\n" for line in [*lines, {"event": "eval", "batch": 5}])
    (tmp_path / "metrics.jsonl").write_text(text + '{"batch": 6, "tok')
    assert measured_speed(tmp_path, 2).tokens_per_second == 205
    with pytest.raises(UserError, match="cannot be read"):
        measured_speed(tmp_path / "none", 1)
    (tmp_path / "metrics.jsonl").write_text('{"batch": 1}\n')
    with pytest.raises(UserError, match="holds no step whose speed was measured"):
        measured_speed(tmp_path, 1)
