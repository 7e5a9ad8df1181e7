"""The commands that docs/evaluation.md shows for running suites, and what its tables name."""

from dataclasses import replace

import pytest

from mmbert_composer.evaluation.all_tasks import BY_NAME, SUITES
from mmbert_composer.evaluation.baselines import BASELINES
from mmbert_composer.evaluation.oddities import ODDITIES
from tests.conftest import ROOT
from tests.documents import Document, run_command
from tests.evaluation.conftest import save_tiny_encoder
from tests.evaluation.tiny_benchmarks import write_benchmarks, write_flat_xquad

PAGE = Document(ROOT / "docs" / "evaluation.md")


@pytest.mark.slow
def test_the_commands(tmp_path, monkeypatch, capsys):
    save_tiny_encoder(tmp_path / "runs/mine/hf")
    data = write_benchmarks(tmp_path / "evaluation-data", [BY_NAME["sst2"], BY_NAME["sib200"]])
    write_benchmarks(data, [replace(BY_NAME["wikiann"], languages=("en", "sw"))])
    write_flat_xquad(data)
    monkeypatch.chdir(tmp_path)
    for command in PAGE.commands("run"):
        run_command(command)
    assert "udpos" in capsys.readouterr().out
    found = {path.name for path in (tmp_path / "results/mine-hf").glob("*.json")}
    assert found == {"sib200.json", "xquad_by_article.json", "sst2.json", "sst2.swept.json", "wikiann.json"}


def test_what_the_tables_name():
    for suite in SUITES:
        assert suite == "stages" or f"| `{suite}` |" in PAGE.text
    for name in ODDITIES:
        assert f"`{name}`" in PAGE.text
    for name in BASELINES:
        assert name in PAGE.text
