"""``mmbert eval compare`` on results in files."""

import csv

import pytest
import typer
from typer.testing import CliRunner

from mmbert_composer.cli.eval_compare import compare
from mmbert_composer.errors import UserError
from mmbert_composer.evaluation.result_file import LanguageScore, Result, write_result


@pytest.fixture
def results(tmp_path):
    def write(model, task, score, **more):
        languages = {name: LanguageScore(score + n, None, 10) for n, name in enumerate(("en", "sw"))}
        result = Result(metric="accuracy", score=score, spread=None, by_language=languages, task=task, model=model)
        values = {**result.__dict__, "suite": "xtreme", **more}
        write_result(tmp_path / "out" / model, Result(**values))

    write("mine", "xnli", 55.0)
    write("mine", "xnli", 56.5, protocol="swept")
    write("mine", "xcopa", 51.0, note="a part of the data")
    write("other", "xnli", 60.0)
    return tmp_path / "out"


def run(*arguments):
    app = typer.Typer()
    app.command()(compare)
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


def test_beside_the_published(results, tmp_path):
    shown = run(results, "--csv", tmp_path / "all.csv", "--html", tmp_path / "all.html")
    assert shown.exit_code == 0
    assert "mmBERT base (published)" in shown.stdout
    assert "a part of the data" in shown.stdout
    assert "source: mmBERT (arXiv:2509.06888)" in shown.stdout
    rows = list(csv.DictReader((tmp_path / "all.csv").read_text().splitlines()))
    ours = {(r["model"], r["protocol"], r["task"]): float(r["score"]) for r in rows if r["published"] == "false"}
    assert ours == {
        ("mine", "default", "xcopa"): 51.0,
        ("mine", "default", "xnli"): 55.0,
        ("mine", "swept", "xnli"): 56.5,
        ("other", "default", "xnli"): 60.0,
    }
    assert any(r["model"] == "mmBERT base" and r["task"] == "xnli" and r["score"] == "77.1" for r in rows)
    assert (tmp_path / "all.html").read_text().count("<table>") == 1


def test_one_model_by_language(results):
    shown = run(results / "mine", results / "other", "--by-language", "xnli")
    assert "Swahili" in shown.stdout
    assert "57.50" in shown.stdout
    with pytest.raises(UserError, match="no result of a task 'xnl': did you mean xnli"):
        run(results, "--by-language", "xnl")


def test_without_results_the_published_ones():
    shown = run("--suite", "lowres")
    assert "mmBERT base, 1833 languages decay (published)" in shown.stdout
    assert "76.0" in shown.stdout


def test_refusals(results, tmp_path):
    with pytest.raises(UserError, match="absent: no such folder; `mmbert eval run MODEL --out"):
        run(tmp_path / "absent")
    (results / "mine" / "notes.json").write_text("{}")
    with pytest.raises(UserError, match=r"notes\.json: format None"):
        run(results)
