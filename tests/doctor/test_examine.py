import json
import shutil

import pytest

from mmbert_composer.cli.main import main
from mmbert_composer.doctor import examine as module
from mmbert_composer.doctor.examine import Check, Subject, examine
from mmbert_composer.doctor.shared_memory import check_size


def run(capsys, *arguments):
    code = main(["doctor", *map(str, arguments), "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_a_run_that_could_start(settings, yaml_of, capsys):
    code, found = run(capsys, yaml_of(settings))
    assert (code, found["problem"]) == (0, 0), found
    checks = {finding["check"] for finding in found["findings"]}
    assert checks >= {"settings", "versions", "imports", "torch and GPU", "attention", "shared memory", "data", "disk"}
    assert main(["doctor", str(yaml_of(settings))]) == 0
    text = capsys.readouterr().out
    assert "ok      data: " in text
    assert text.splitlines()[-1].startswith("0 problems")


@pytest.fixture
def quick(monkeypatch):
    """The checks that look at what is given alone: the machine's were looked at above."""
    kept = ("data", "settings", "run")
    monkeypatch.setattr(module, "CHECKS", tuple(check for check in module.CHECKS if check.name in kept))


def problems(found):
    return [finding["what"] for finding in found["findings"] if finding["status"] == "problem"]


@pytest.mark.parametrize(
    ("override", "text"),
    [
        ("sede=3", "unknown key sede: did you mean seed?"),
        ("curriculum.max_passes=0.1", "the longest feasible duration of this phase is"),
        ("data.root=/nowhere", "no data in /nowhere"),
    ],
)
@pytest.mark.usefixtures("quick")
def test_a_run_that_could_not(settings, yaml_of, capsys, override, text):
    code, found = run(capsys, yaml_of(settings), override)
    assert code == 1
    assert any(text in what for what in problems(found))


@pytest.mark.usefixtures("quick")
def test_harmed_data(tiny_data, tmp_path, capsys):
    copy = tmp_path / "data"
    shutil.copytree(tiny_data, copy)
    shard = copy / "tiny/eng/shard.00000.mds"
    shard.write_bytes(shard.read_bytes()[:-1] + b"\xff")  # the size stays
    assert run(capsys, "--data", copy)[0] == 0
    code, found = run(capsys, "--data", copy, "--deep")
    assert code == 1
    assert "shard.00000.mds has xxh64" in problems(found)[0]
    shard.write_bytes(b"")
    assert run(capsys, "--data", copy)[0] == 1


def test_a_check_that_fails_itself_is_a_finding(monkeypatch):
    def fails(subject, config):
        raise RuntimeError("a machine like no other")

    monkeypatch.setattr(module, "CHECKS", (Check("odd", fails), Check("even", lambda subject, config: [])))
    (found,) = examine(Subject())
    assert found.status == "problem"
    assert found.what == "this could not be looked at: RuntimeError: a machine like no other"


def test_shared_memory_of_a_container():
    gib = 1 << 30
    assert check_size(64 * gib, 60 * gib).status == "ok"
    assert check_size(gib, gib // 2).status == "note"
    small = check_size(64 << 20, 64 << 20)
    assert small.status == "problem"
    assert "--shm-size=8g" in small.mend
