"""One arm from text to figures, on a part of the real text: slow."""

import gzip
import json

import pytest

from experiments.annealing.groups import PIVOTS
from experiments.annealing.report import main as report
from experiments.annealing.run import main
from tests.conftest import REAL_DATA

pytestmark = pytest.mark.slow

FILES = ("bible-nt.jsonl.gz", "udhr.jsonl.gz")
CODES = {*PIVOTS, "cak", "chq", "deu"}
SHORT = [f"curriculum.phases.{phase}.duration=131_072tok" for phase in range(3)]


@pytest.fixture
def source(tmp_path):
    if not all((REAL_DATA / name).is_file() for name in FILES):
        pytest.skip(f"no real text in {REAL_DATA}")
    folder = tmp_path / "source"
    folder.mkdir()
    for name in FILES:
        with gzip.open(REAL_DATA / name, "rt", encoding="utf-8") as file:
            rows = [line for line in file if json.loads(line)["language"] in CODES]
        with gzip.open(folder / name, "wt", encoding="utf-8") as file:
            file.writelines(rows)
    return folder


def test_an_arm_is_trained_measured_and_not_trained_again(source, tmp_path, capsys):
    out, results = tmp_path / "out", tmp_path / "results"
    options = ["--data", source, "--out", out, "--results", results, "--seeds", 1, "--arms", "from-start"]
    arguments = [str(option) for option in options] + SHORT
    assert main(arguments) == 0
    (file,) = results.iterdir()
    figures = json.loads(file.read_text(encoding="utf-8"))
    assert set(figures["loss"]) == CODES
    assert all(3 < loss < 10 for loss in figures["loss"].values())
    assert set(figures["retrieval"]) == CODES - {"deu"}
    assert all(0 <= share < 0.5 for share in figures["retrieval"].values())

    log = out / "seed1" / "from-start.log"
    before = log.read_text()
    assert main(arguments) == 0
    assert log.read_text() == before
    assert report(["--results", str(results), "--plot", str(tmp_path / "plot.png")]) == 0
    assert "| all languages from the start | 1 |" in capsys.readouterr().out
    assert (tmp_path / "plot.png").stat().st_size > 10_000
