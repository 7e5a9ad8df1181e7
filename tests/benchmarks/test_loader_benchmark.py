import json
import math

from benchmarks import loader


def test_quick(capsys, tmp_path):
    report = loader.main(["--quick", "--rounds", "1", "--workers", "1", "--folder", str(tmp_path)])
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == report
    assert report["benchmark"] == "loader"
    values = {row["name"]: row["value"] for row in report["results"]}
    assert list(values) == [
        "loader-tokens-per-cpu-second",
        "loader-vs-streaming",
        "loader-vs-collator",
        "loader-workers-tokens-per-cpu-second",
        "loader-check-gb-per-cpu-second",
    ]
    assert all(math.isfinite(value) and value > 0 for value in values.values())
    assert not list(tmp_path.iterdir())
