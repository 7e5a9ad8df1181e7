import csv
import json

from typer.testing import CliRunner

from mmbert_composer.cli import prepare


def run(*arguments: str) -> str:
    result = CliRunner().invoke(prepare.app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_stats_as_files(tiny_data, tmp_path):
    files = {kind: tmp_path / f"stats.{kind}" for kind in ("csv", "json")}
    options = [text for kind, path in files.items() for text in (f"--{kind}", str(path))]
    output = run("stats", str(tiny_data), *options, "--plot", str(tmp_path / "stats.png"))
    assert "English" in output
    assert len(list(csv.DictReader(files["csv"].read_text().splitlines()))) == 6
    assert len(json.loads(files["json"].read_text())["streams"]) == 6
    assert (tmp_path / "stats.png").stat().st_size > 10_000


def test_verify_shows_text(tiny_data):
    lines = run("verify", str(tiny_data), "--show", "3", "--blocks", "2").splitlines()
    assert len(lines) == 4
    assert all(line.startswith("tiny/") and ", block " in line for line in lines[:3])
    assert "all as written; 21 blocks decoded" in lines[3]
