import numpy as np
import pytest

from mmbert_composer.data.atomic_write import write_json
from mmbert_composer.merging.explain_merge import explain_merge
from mmbert_composer.merging.explain_plot import explain_plot
from mmbert_composer.merging.explain_table import explain_table, read_explanation
from mmbert_composer.merging.scan_models import Scan
from mmbert_composer.merging.slice_facts import SliceFacts

WI, WO, BIAS = "model.layers.0.mlp.Wi.weight", "model.layers.0.mlp.Wo.weight", "decoder.bias"


def _facts(elements, kept, conflicts, agreeing, to_merge, merge_square):
    return SliceFacts(elements, np.array(kept), conflicts, agreeing, np.array(to_merge), merge_square)


FACTS = {
    WI: _facts(100, [20, 10], 4, 24, [9.0, 5.0], 3.0),
    WO: _facts(50, [10, 5], 2, 12, [7.0, 4.0], 6.0),
    BIAS: _facts(10, [0, 0], 0, 0, [0.0, 0.0], 0.0),
}
SCAN = Scan(
    ["h1", "h2", "h0"],
    {WI: np.diag([4.0, 9.0]), WO: np.diag([5.0, 7.0]), BIAS: np.zeros((2, 2))},
    {WI: 60.0, WO: 40.0, BIAS: 1.0},
    [],
    [],
)


def test_rows():
    content = explain_merge(["a", "b"], "base", SCAN, FACTS)
    assert (content["models"], content["base"]) == (["a", "b"], "base")
    mlp, head, everything = content["groups"]
    assert (mlp["group"], head["group"], everything["group"]) == ("layer 0 MLP", "head", "all")
    assert mlp["parameters"] == 150
    assert mlp["density"] == pytest.approx([0.2, 0.1])
    assert mlp["conflicts"] == pytest.approx(0.04)
    assert mlp["agreeing"] == pytest.approx(0.8)
    assert mlp["to_base"] == [3.0, 4.0]
    assert mlp["to_merge"] == [4.0, 3.0]
    assert mlp["merge_to_base"] == 3.0
    assert mlp["length"] == 10.0
    assert head["agreeing"] == 1.0
    assert everything["parameters"] == 160


def test_without_a_base():
    mlp = explain_merge(["a", "b"], None, SCAN, FACTS)["groups"][0]
    assert mlp == {"group": "layer 0 MLP", "parameters": 150, "to_merge": [4.0, 3.0], "length": 3.0}


def _cells(table):
    return [list(column.cells) for column in table.columns]


def test_the_table():
    group, count, density, conflicts, agreeing, to_base, to_merge, moved = _cells(
        explain_table(explain_merge(["a", "b"], "base", SCAN, FACTS))
    )
    assert (group[0], count[0], density[0], conflicts[0], agreeing[0]) == ("layer 0 MLP", "150", "20 / 10", "4", "80")
    assert (to_base[0], to_merge[0], moved[0]) == ("30 / 40", "40 / 30", "30")
    assert density[1] == "0"  # alike: said once
    assert len(_cells(explain_table(explain_merge(["a", "b"], None, SCAN, FACTS)))) == 3


def test_many_models_are_a_range():
    facts = {BIAS: _facts(10, [1, 2, 3, 4], 0, 5, [1.0, 4.0, 9.0, 16.0], 100.0)}
    scan = Scan([], {BIAS: np.diag([1.0, 4.0, 9.0, 16.0])}, {BIAS: 100.0}, [], [])
    cells = _cells(explain_table(explain_merge(list("abcd"), "base", scan, facts)))
    assert cells[2][0] == "10 to 40"
    assert cells[5][0] == "10 to 40"


@pytest.mark.parametrize("base", ["base", None])
def test_the_plot_and_the_file(tmp_path, base):
    content = explain_merge(["some/where/a", "b"], base, SCAN, FACTS)
    explain_plot(content, tmp_path / "explain.png")
    assert (tmp_path / "explain.png").read_bytes().startswith(b"\x89PNG")
    write_json(tmp_path / "explain.json", content)
    assert read_explanation(tmp_path) == content
