import json
import math

from benchmarks import segment_edge
from benchmarks.loading import real_counts


def test_quick(capsys, tmp_path):
    report = segment_edge.main(["--quick", "--rounds", "1", "--folder", str(tmp_path)])
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == report
    values = {row["name"]: row["value"] for row in report["results"]}
    assert list(values) == ["index-366m-seconds", "index-366m-gb", "edge-stall-seconds", "edge-memory-mb"]
    assert all(math.isfinite(value) for value in values.values())
    assert values["index-366m-seconds"] > 0
    assert not list(tmp_path.iterdir())


def test_without_the_counts_it_is_left_out(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(real_counts, "COUNTS", tmp_path / "none.csv")
    assert segment_edge.main([])["results"] == []
    assert "left out: the counts of languages are not at" in capsys.readouterr().out


def test_counts_keep_their_proportions():
    assert real_counts.scale({"a": 900, "b": 90, "c": 10, "d": 0}, 100) == {"a": 90, "b": 9, "c": 1, "d": 1}
