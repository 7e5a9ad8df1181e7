import json
import shutil

import pytest

from mmbert_composer.checkpoints.list_checkpoints import named_checkpoints
from mmbert_composer.cli.main import main
from mmbert_composer.errors import UserError
from mmbert_composer.runs.list_runs import list_runs


def ls(capsys, *arguments):
    assert main(["runs", "ls", *map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.fixture
def runs(finished_run, tmp_path):
    """A folder of runs: one finished, one cut off in its second phase, one that only began, and something else."""
    for name in ("done", "deep/below/cut"):
        shutil.copytree(finished_run, tmp_path / "runs" / name)
    cut = tmp_path / "runs/deep/below/cut"
    lines = (cut / "metrics.jsonl").read_text().splitlines()
    place = next(n for n, line in enumerate(lines) if json.loads(line)["batch"] == 13)
    (cut / "metrics.jsonl").write_text("\n".join([*lines[:place], lines[place][:30]]))
    for file in named_checkpoints(cut):
        if file.batch > 12:
            file.path.unlink()
    for output in ("merged", "hf"):
        shutil.rmtree(cut / output)
    (cut / "report.html").unlink()
    began = tmp_path / "runs/began"
    began.mkdir()
    shutil.copy(finished_run / "plan.json", began)
    (tmp_path / "runs/notes").mkdir()
    return tmp_path / "runs"


def test_a_folder_of_runs(runs, capsys):
    began, cut, done = ls(capsys, runs)
    assert [run["name"] for run in (began, cut, done)] == ["began", "deep/below/cut", "done"]
    assert [run["state"] for run in (began, cut, done)] == ["never checkpointed", "stopped", "finished"]
    assert (done["token"], done["total_tokens"], done["phase"]) == (4096, 4096, "two")
    assert done["outputs"] == ["merged", "hf", "report"]
    assert done["last_step"]["batch"] == 20
    assert (cut["last_step"]["batch"], cut["phase"], cut["outputs"]) == (12, "two", [])
    assert cut["token"] == cut["checkpoints"][-1]["token"]
    assert (began["last_step"], began["checkpoints"], began["token"]) == (None, [], None)


def test_checkpoints_of_a_run(finished_run, capsys):
    (run,) = ls(capsys, finished_run)
    assert run["name"] == "run"
    rows = run["checkpoints"]
    assert {row["batch"]: row["token"] for row in rows if row["phase_end"]} == {8: 2048, 20: 4096}
    assert {row["batch"] for row in rows} == {3, 6, 8, 9, 12, 15, 18, 20}
    assert [row["phase"] for row in rows if row["batch"] in (6, 8, 9)] == ["one", "one", "two"]
    assert all(row["valid"] and row["bytes"] > 10_000 and row["checked"] == "size" for row in rows)
    (verified,) = ls(capsys, finished_run, "--verify")
    assert {row["checked"] for row in verified["checkpoints"]} == {"hash"}


def test_harmed_checkpoints(runs, capsys):
    files = {file.batch: file.path for file in named_checkpoints(runs / "done")}
    (whole,) = ls(capsys, runs / "done")
    tokens = {row["batch"]: row["token"] for row in whole["checkpoints"]}
    files[20].write_bytes(files[20].read_bytes()[:-100])
    harmed = bytearray(files[18].read_bytes())
    harmed[len(harmed) // 2] ^= 1
    files[18].write_bytes(harmed)
    for file in (files[15], files[12]):
        file.with_name(f"{file.name}.json").unlink()
    files[12].write_bytes(b"")
    (run,) = ls(capsys, runs / "done")
    rows = {row["batch"]: row for row in run["checkpoints"]}
    assert not rows[20]["valid"]
    assert "incomplete" in rows[20]["why"]
    assert (rows[15]["valid"], rows[15]["checked"], rows[15]["token"]) == (True, "header", tokens[15])
    assert not rows[12]["valid"]
    assert rows[18]["valid"]  # of the right size: only the hash tells
    (run,) = ls(capsys, runs / "done", "--verify")
    assert "damaged" in next(row["why"] for row in run["checkpoints"] if row["batch"] == 18)
    assert main(["runs", "ls", str(runs)]) == 0
    assert f"done: {files[20].name} cannot be used: incomplete" in capsys.readouterr().out


def test_tables(runs, capsys):
    assert main(["runs", "ls", str(runs)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:3] == ["run", "state", "phase"]
    assert [line.split()[0] for line in lines[1:]] == ["began", "deep/below/cut", "done"]
    assert "4.10k of 4.10k (100%)" in lines[3]
    assert main(["runs", "ls", str(runs / "done")]) == 0
    text = capsys.readouterr().out
    assert "two, its end" in text
    assert "merged hf report" in text


def test_a_run_whose_plan_is_harmed(runs, capsys):
    (runs / "done/plan.json").write_text("{")
    (run,) = ls(capsys, runs / "done")
    assert "not a readable plan" in run["problem"]
    assert run["total_tokens"] is None
    assert run["checkpoints"][0]["token"] is not None
    assert main(["runs", "ls", str(runs / "done")]) == 0
    assert "not a readable plan" in capsys.readouterr().out


def test_where_there_is_no_run(tmp_path):
    with pytest.raises(UserError, match="no such folder"):
        list_runs(tmp_path / "nowhere")
    with pytest.raises(UserError, match="no run in it"):
        list_runs(tmp_path)
