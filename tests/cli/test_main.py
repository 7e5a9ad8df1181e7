import json
import tomllib

import pytest

from mmbert_composer.cli.main import main
from tests.conftest import ROOT


def test_help_names_every_command(capsys):
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    for command in (
        "demo",
        "tokenizer",
        "prepare",
        "plan",
        "init",
        "merge",
        "export",
        "import",
        "report",
        "registry",
        "runs",
        "doctor",
    ):
        assert command in text


def test_registry(capsys):
    assert main(["registry"]) == 0
    text = capsys.readouterr().out
    for name in ("language_annealing", "checkpoint_merging", "wandb", "trapezoid"):
        assert name in text


def test_init_copies_the_recipes_and_overwrites_nothing(tmp_path, capsys):
    assert main(["init", str(tmp_path / "d")]) == 0
    for path in (ROOT / "yamls").rglob("*.yaml"):
        assert (tmp_path / "d" / path.relative_to(ROOT / "yamls")).read_text() == path.read_text()
    assert (tmp_path / "d" / "train.py").exists()
    assert main(["init", str(tmp_path / "d")]) == 1
    assert "exists and is not empty; nothing was written" in capsys.readouterr().err


def test_plan_without_data_gives_totals_by_source(tmp_path, capsys):
    out = tmp_path / "plan.json"
    assert main(["plan", str(ROOT / "yamls/demo.yaml"), "data.root=/nowhere", "--json", str(out)]) == 0
    plan = json.loads(out.read_text())
    assert plan["total_tokens"] == 2_490_368
    assert [phase["name"] for phase in plan["phases"]] == ["few", "more", "all"]
    assert plan["phases"][0]["sources"]["cldr"] == {
        "share": 1.0,
        "tokens": 524_288,
        "blocks": 1024,
        "passes_max": None,
    }
    assert plan["phases"][0]["languages"] is None
    assert plan["steps"] == sum(phase["steps"] for phase in plan["phases"])
    assert "there is no data in /nowhere: totals by source alone" in capsys.readouterr().out


def test_plan_with_data_equals_the_run(settings, yaml_of, tmp_path, capsys):
    out = tmp_path / "plan.json"
    assert main(["plan", str(yaml_of(settings)), "--json", str(out)]) == 0
    plan = json.loads(out.read_text())
    assert plan["total_tokens"] == 6144
    assert [phase["languages"] for phase in plan["phases"]] == [2, 4, 6]
    assert [phase["steps"] for phase in plan["phases"]] == [8, 12, 8]
    assert sum(source["blocks"] for phase in plan["phases"] for source in phase["sources"].values()) == 96
    assert plan["phases"][2]["sources"]["tiny"]["passes_max"] > 1
    assert "tiny/eng" in capsys.readouterr().out


def test_plan_from_counts(settings, yaml_of, tmp_path):
    counts = tmp_path / "counts.csv"
    counts.write_text("source,language,tokens\ntiny,eng,60000\ntiny,deu,20000\ntiny,fra,900\ntiny,isl,64\n")
    settings["data"]["root"] = None
    out = tmp_path / "plan.json"
    assert main(["plan", str(yaml_of(settings)), f"data.counts={counts}", "--json", str(out)]) == 0
    assert [phase["languages"] for phase in json.loads(out.read_text())["phases"]] == [2, 4, 4]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["plan", "nowhere.yaml"], "nowhere.yaml: cannot be read"),
        (["plan", str(ROOT / "yamls/demo.yaml"), "seeed=3"], "unknown key seeed: did you mean seed?"),
        (["plan"], "Missing argument"),
        (["plant"], "No such command"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_one(arguments, message, capsys):
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


def test_the_wheel_carries_the_recipes():
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["force-include"] == {
        "yamls": "mmbert_composer/recipes_data/yamls",
        "train.py": "mmbert_composer/recipes_data/train.py",
        "constraints.txt": "mmbert_composer/recipes_data/constraints.txt",
    }
