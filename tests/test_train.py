"""A run from YAML to report, in process: what is served, logged, restored and refused."""

import json
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from streaming import LocalDataset

from mmbert_composer.checkpoints.list_checkpoints import list_checkpoints, named_checkpoints, why_invalid
from mmbert_composer.checkpoints.read_checkpoint import read_checkpoint
from mmbert_composer.config import parse_run_config
from mmbert_composer.curriculum import BlockSampler, make_plan
from mmbert_composer.data.manifest import load_manifest
from mmbert_composer.data.stream_sizes import stream_sizes
from mmbert_composer.planning import plan_run
from mmbert_composer.runtime.run_lock import RunLock
from mmbert_composer.train import main
from tests.checkpoints.test_checkpoint_record import flip_a_weight
from tests.conftest import read_jsonl


def rows_of(folder, event=None):
    """Lines of metrics.jsonl; of a step seen twice the last counts."""
    rows = [row for row in read_jsonl(folder / "metrics.jsonl") if row.get("event") == event]
    return list({row["batch"]: row for row in rows}.values())


def samples_of(folder, rank=0):
    rows = [row for row in read_jsonl(folder / f"samples-rank{rank}.jsonl") if "samples" in row]
    return {row["batch"]: [tuple(sample) for sample in row["samples"]] for row in rows}


@pytest.fixture
def run(yaml_of):
    def run(settings, *overrides, code=0):
        assert main([str(yaml_of(settings)), *overrides]) == code

    return run


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "run"


def test_plan_metrics_and_samples_agree(settings, run, folder, tiny_data):
    settings["callbacks"] |= {"checkpoint_merging": {"last": 2}, "huggingface_export": {}}
    settings["eval_interval"] = "4ba"
    run(settings)
    plan = json.loads((folder / "plan.json").read_text())
    steps, samples = rows_of(folder), samples_of(folder)
    curriculum = parse_run_config(settings).curriculum
    # the clock: slots, padding included; every scheduled value is that of the step's first token
    assert [(row["token"], row["batch_size"]) for row in steps] == list(curriculum.steps())
    for row in steps:
        values = curriculum.at(row["token"])
        assert row["phase"] == values.phase
        assert row["mask_ratio"] == values.mask_ratio
        assert row["max_seq_len"] == values.max_seq_len
        assert row["rope_theta"] == values.rope_theta.global_theta
        assert row["lr"] == pytest.approx(0.003 * values.lr)
        assert row["tau"] == {"tiny": {"one": 0.7, "two": 0.5, "three": 0.3}[values.phase]}
        assert len(samples[row["batch"]]) == row["batch_size"]
        assert np.isfinite([row["loss"], row["grad_norm"], row["tokens_per_second"]]).all()
    # the composition of every segment equals the plan, and the trained blocks are those on disk
    served = [sample for batch in sorted(samples) for sample in samples[batch]]
    assert len(served) == len(set(served)) == 96
    for number, segment in enumerate(plan["segments"]):
        counts = Counter(name for name, *_ in served[number * 16 : (number + 1) * 16])
        assert [counts[name] for name in plan["streams"]] == segment["blocks"]
    real = {
        name: [int(block["cu_seqlens"][-1]) for block in LocalDataset(str(tiny_data / name))]
        for name in plan["streams"]
    }
    assert steps[-1]["tokens_real"] == sum(real[name][index] for name, index, _ in served)
    languages = rows_of(folder, "languages")[-1]["streams"]
    assert {name: row["blocks"] for name, row in languages.items()} == Counter(name for name, *_ in served)
    evals = rows_of(folder, "eval")
    assert {row["token"] for row in evals} >= {2048, 4096, 6144}
    assert all(set(row["streams"]) == set(plan["streams"]) for row in evals)
    # what is left behind
    names = {path.name for path in folder.iterdir()}
    assert names >= {"config.yaml", "plan.json", "checkpoints", "hf", "merged", "report.html", "tokenizer"}
    assert not list(folder.rglob("*.unfinished"))
    clocks = {read_checkpoint(f.path)["state"]["timestamp"]["Timestamp"]["token"] for f in list_checkpoints(folder)}
    assert clocks >= {2048, 4096, 6144}


class StopError(Exception):
    pass


@pytest.fixture
def stop_after(monkeypatch):
    """Kill the run in its n-th step from now on, before anything of that step is saved."""
    from mmbert_composer.callbacks.sample_log import SampleLog

    def stop_after(steps):
        original = SampleLog.batch_end
        seen = []

        def batch_end(self, state, logger):
            original(self, state, logger)
            seen.append(1)
            if len(seen) == steps:
                raise StopError

        monkeypatch.setattr(SampleLog, "batch_end", batch_end)
        return lambda: monkeypatch.setattr(SampleLog, "batch_end", original)

    return stop_after


@pytest.mark.parametrize(("steps", "dropout"), [(5, 0.1), (11, 0.0), (13, 0.1)])
def test_a_stopped_run_gives_the_same_result(settings, yaml_of, run, tmp_path, stop_after, steps, dropout):
    settings["model"]["attention_out_dropout"] = dropout
    run(settings, f"save_folder={tmp_path / 'whole'}")
    release = stop_after(steps)
    with pytest.raises(StopError):
        main([str(yaml_of(settings))])
    release()
    run(settings)
    whole, stopped = tmp_path / "whole", tmp_path / "run"
    assert samples_of(stopped) == samples_of(whole)
    keys = ("batch", "token", "tokens_real", "loss", "lr", "mask_ratio", "batch_size", "grad_norm")
    assert [{k: row[k] for k in keys} for row in rows_of(stopped)] == [
        {k: row[k] for k in keys} for row in rows_of(whole)
    ]
    assert any(row.get("event") == "resume" for row in read_jsonl(stopped / "metrics.jsonl"))
    assert rows_of(stopped, "languages")[-1]["streams"] == rows_of(whole, "languages")[-1]["streams"]


def test_the_newest_unharmed_checkpoint_is_taken(settings, yaml_of, run, tmp_path, stop_after, caplog):
    """One cut short and one with a flipped bit are passed over; the result is the one the run would have had."""
    settings["model"]["attention_out_dropout"] = 0.1
    run(settings, f"save_folder={tmp_path / 'whole'}")
    release = stop_after(20)
    with pytest.raises(StopError):
        main([str(yaml_of(settings))])
    release()
    *_, good, flipped, short = [file.path for file in list_checkpoints(tmp_path / "run")]
    flip_a_weight(flipped)
    short.write_bytes(short.read_bytes()[:-1])
    (tmp_path / "run" / "checkpoints" / "ep9-ba99-rank0.unfinished").write_bytes(b"half")
    caplog.clear()
    run(settings)
    assert f"skipped checkpoint {flipped}: damaged" in caplog.text
    assert f"skipped checkpoint {short}: incomplete" in caplog.text
    assert f"resume from {good}" in caplog.text
    whole, stopped = tmp_path / "whole", tmp_path / "run"
    assert samples_of(stopped) == samples_of(whole)
    assert [row["loss"] for row in rows_of(stopped)] == [row["loss"] for row in rows_of(whole)]
    assert all(why_invalid(file.path, content=True) is None for file in named_checkpoints(stopped))
    assert not list(stopped.rglob("*.unfinished"))


def test_a_finished_run_does_what_is_missing(settings, run, folder):
    settings["callbacks"] |= {"checkpoint_merging": {"last": 2}, "huggingface_export": {}}
    settings["curriculum"]["phases"] = settings["curriculum"]["phases"][:1]
    run(settings)
    before = (folder / "hf" / "model.safetensors").stat().st_mtime_ns
    shutil.rmtree(folder / "merged")
    (folder / "report.html").unlink()
    lines = len(read_jsonl(folder / "metrics.jsonl"))
    run(settings)
    assert (folder / "merged" / "model.safetensors").exists()
    assert (folder / "report.html").exists()
    assert (folder / "hf" / "model.safetensors").stat().st_mtime_ns == before
    assert len(read_jsonl(folder / "metrics.jsonl")) == lines


def test_a_finished_run_of_another_plan_is_refused(settings, run, folder, capsys):
    settings["curriculum"]["phases"] = settings["curriculum"]["phases"][:1]
    run(settings)
    settings["curriculum"]["phases"][0]["duration"] = "1_024tok"
    run(settings, code=1)
    assert "holds a run with another plan" in capsys.readouterr().err
    settings["curriculum"]["phases"][0]["duration"] = "2_048tok"
    run(settings, f"load_path={folder}", "load_as=resume", f"save_folder={folder}-2", code=1)
    assert "there is nothing to resume" in capsys.readouterr().err


def test_another_model_is_refused_before_anything_is_written(settings, run, folder, capsys):
    settings["curriculum"]["phases"] = settings["curriculum"]["phases"][:2]
    run(settings)
    before = (folder / "model_config.json").read_text()
    settings["curriculum"]["phases"][1]["duration"] = "4_096tok"
    run(settings, "model.hidden_size=16", code=1)
    assert "was trained with other settings: model.hidden_size was 32, is 16 now" in capsys.readouterr().err
    assert (folder / "model_config.json").read_text() == before


def test_a_finished_run_is_made_longer(settings, run, folder, tmp_path):
    """By a phase, and with other ranks' worth of micro-batches and workers: as if it had been planned so."""
    phases = settings["curriculum"]["phases"]
    run(settings, f"save_folder={tmp_path / 'whole'}")
    settings["curriculum"]["phases"] = phases[:2]
    run(settings)
    settings["curriculum"]["phases"] = phases
    run(settings, "data.num_workers=1")
    assert samples_of(folder) == samples_of(tmp_path / "whole")
    assert [row["loss"] for row in rows_of(folder)] == [row["loss"] for row in rows_of(tmp_path / "whole")]


def test_continue_has_its_own_options(settings, run, tmp_path):
    """Weight decay and betas are the new run's, and its first held-out loss is measured at its own theta."""
    settings["curriculum"]["phases"] = settings["curriculum"]["phases"][:1]
    run(settings, f"save_folder={tmp_path / 'first'}")
    settings |= {"load_path": str(tmp_path / "first"), "load_as": "continue"}
    settings["optimizer"] |= {"weight_decay": 1e-4, "betas": [0.8, 0.9]}
    run(settings, f"save_folder={tmp_path / 'second'}")
    (last,) = [f for f in list_checkpoints(tmp_path / "second") if f.batch == 8]
    groups = read_checkpoint(last.path)["state"]["optimizers"]["StableAdamW"]["param_groups"]
    assert {group["weight_decay"] for group in groups} == {1e-4, 0.0}
    assert {(group["beta1"], group["beta2"]) for group in groups} == {(0.8, 0.9)}
    assert {int(group["step"]) for group in groups} == {16}  # the optimizer's own count goes on
    end, start = rows_of(tmp_path / "first", "eval")[-1], rows_of(tmp_path / "second", "eval")[0]
    assert start["token"] == 0
    assert start["loss"] == pytest.approx(end["loss"], abs=1e-6)


def test_continue_takes_the_cursors_and_nothing_of_the_clock(settings, run, tmp_path):
    phases = settings["curriculum"]["phases"]
    settings["curriculum"]["phases"] = phases[:2]
    run(settings, f"save_folder={tmp_path / 'first'}")
    settings["curriculum"]["phases"] = [phases[2]]
    del settings["data"]["seed"]
    settings |= {"load_path": str(tmp_path / "first"), "load_as": "continue"}
    settings["optimizer"] = {"name": "stable_adamw", "lr": 0.001}
    run(settings, f"save_folder={tmp_path / 'second'}")
    first, second = rows_of(tmp_path / "first"), rows_of(tmp_path / "second")
    assert (second[0]["batch"], second[0]["token"]) == (1, 0)
    assert second[0]["lr"] == 0.001
    assert second[0]["batch_size"] == 4
    assert second[0]["loss"] < first[0]["loss"]
    plan = json.loads((tmp_path / "second" / "plan.json").read_text())
    assert plan["data_seed"] == 3
    assert sum(plan["cursors"]) == 64
    both = [s for name in ("first", "second") for batch in samples_of(tmp_path / name).values() for s in batch]
    assert_passes_in_order(both, tmp_path / "first")


def assert_passes_in_order(samples, folder):
    """No block of a stream has visit v + 1 before all have v."""
    data = json.loads((folder / "plan.json").read_text())
    assert len(samples) == len(set(samples))
    for name in data["streams"]:
        visits = [(index, visit) for stream, index, visit in samples if stream == name]
        size = max((index for index, visit in visits if visit == 0), default=-1) + 1
        for position, (_, visit) in enumerate(visits):
            if visit:
                assert sum(v == visit - 1 for _, v in visits[:position]) >= size


def test_bf16_on_a_cpu(settings, run, tmp_path):
    for precision in ("fp32", "amp_bf16"):
        run(settings, f"precision={precision}", f"save_folder={tmp_path / precision}")
    full, low = ([row["loss"] for row in rows_of(tmp_path / name)] for name in ("fp32", "amp_bf16"))
    assert low != full
    assert low == pytest.approx(full, rel=0.02)


def test_weights_alone(settings, run, tmp_path):
    settings["curriculum"]["phases"] = settings["curriculum"]["phases"][:1]
    settings["callbacks"]["huggingface_export"] = {}
    run(settings, f"save_folder={tmp_path / 'first'}")
    for start in ("first", "first/hf"):
        settings |= {"load_path": str(tmp_path / start), "load_as": "weights"}
        name = start.replace("/", "-") + "-again"
        run(settings, f"save_folder={tmp_path / name}")
        again = rows_of(tmp_path / name)
        assert again[0]["token"] == 0
        assert again[0]["loss"] < rows_of(tmp_path / "first")[0]["loss"]
        plan = json.loads((tmp_path / name / "plan.json").read_text())
        assert sum(plan["cursors"]) == 0


def test_another_folder_is_left_alone(settings, run, folder, capsys):
    folder.mkdir()
    (folder / "thesis.tex").write_text("precious")
    run(settings, code=1)
    assert "holds something else than a run (thesis.tex); nothing was written" in capsys.readouterr().err
    assert [path.name for path in folder.iterdir()] == ["thesis.tex"]


def test_a_run_in_use_is_refused(settings, run, folder, capsys):
    lock = RunLock(folder)
    lock.acquire()
    run(settings, code=1)
    assert f"save_folder {folder} is in use by this process" in capsys.readouterr().err
    assert [path.name for path in folder.iterdir()] == [".run.lock"]
    lock.release()


def test_a_run_that_must_not_go_on(settings, run, folder, capsys):
    settings["curriculum"]["phases"] = settings["curriculum"]["phases"][:1]
    run(settings)
    run(settings, "autoresume=false", code=1)
    assert "holds a run and autoresume is false" in capsys.readouterr().err


def test_an_attempt_before_the_first_checkpoint_is_superseded(settings, yaml_of, run, folder, stop_after):
    settings["save_interval"] = "100ba"
    release = stop_after(5)
    with pytest.raises(StopError):
        main([str(yaml_of(settings))])
    release()
    run(settings)
    rows = read_jsonl(folder / "metrics.jsonl")
    place = rows.index({"event": "resume", "batch": 0})
    assert [row["batch"] for row in rows[place:] if "loss" in row and "event" not in row] == list(range(1, 29))
    assert {"event": "resume", "batch": 0} in read_jsonl(folder / "samples-rank0.jsonl")


def test_another_plan_in_the_folder_is_refused(settings, run, folder, capsys):
    settings["curriculum"]["phases"] = settings["curriculum"]["phases"][:1]
    run(settings)
    before = (folder / "plan.json").read_text()
    settings["curriculum"]["phases"][0]["mixture"]["tiny"]["languages"] = 3
    run(settings, code=1)
    assert "holds a run with another plan: they differ in segment 0" in capsys.readouterr().err
    assert (folder / "plan.json").read_text() == before


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("curriculum.phases.0.mixture.tiny.languages=[eng, dut]", "the data lacks dut (nearest: deu)"),
        ("curriculum.phases.0.mixture.tiny.languages=0", "languages=0 must be at least 1"),
        ("curriculum.phases.0.mixture={tiny: null, tinny: {share: 1}}", "no source 'tinny'; did you mean 'tiny'?"),
        ("curriculum.max_passes=0.1", "the longest feasible duration of this phase is"),
        ("data.root=/nowhere", "no data in /nowhere"),
        ("callbacks.sample_logg={}", "unknown callback 'sample_logg': did you mean sample_log?"),
        ("callbacks.language_monitor={intervall: 5ba}", "unknown key callbacks.language_monitor.intervall"),
        ("model.hidden_sise=32", "model.hidden_sise"),
        ("optimizer.name=adm", "optimizer.name='adm'"),
        ("load_path=/nowhere", "load_as must say how to start"),
        ("precision=amp_fp16", "precision=amp_fp16 needs a GPU"),
        ("model.attention=flash_attn", "attention=flash_attn"),
        ("model.attention=torch_flash", "attention=torch_flash"),
        ("model.compile=maybe", "model.compile='maybe' must be auto, true or false"),
        ("deterministic_mode=maybe", "deterministic_mode='maybe'"),
    ],
)
def test_bad_input_is_one_line_before_anything_is_written(settings, run, folder, capsys, override, message):
    run(settings, override, code=1)
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith("error: ")
    assert "Traceback" not in error
    assert not folder.exists()


def test_a_tokenizer_that_is_not_the_blocks(settings, run, tiny_data, tmp_path, capsys):
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(tiny_data, copy)
    path = copy / "tokenizer" / "tokenizer.json"
    tokenizer = json.loads(path.read_text())
    tokenizer["model"]["merges"] = tokenizer["model"]["merges"][:-1]
    path.write_text(json.dumps(tokenizer))
    run(settings, f"data.root={copy}", code=1)
    assert "is not the one of the blocks" in capsys.readouterr().err


def test_data_on_a_remote(settings, run, folder, tiny_data, tmp_path):
    local = plan_run(parse_run_config(settings))
    settings["data"] |= {"root": f"file://{tiny_data}", "cache": str(tmp_path / "cache"), "num_workers": 1}
    assert plan_run(parse_run_config(settings)).to_json() == local.to_json()
    run(settings)
    plan = make_plan(
        parse_run_config(settings).curriculum,
        stream_sizes(load_manifest(tiny_data)),
        data_seed=settings["data"]["seed"],
    )
    draws = [BlockSampler(plan).segment(segment) for segment in range(plan.num_segments)]
    expected = [
        (plan.streams[stream], index, visit)
        for d in draws
        for stream, index, visit in np.stack([d.stream, d.index, d.visit], axis=1).tolist()
    ]
    samples = samples_of(folder)
    assert [sample for batch in sorted(samples) for sample in samples[batch]] == expected
    fetched = {path.parent.relative_to(tmp_path / "cache") for path in (tmp_path / "cache").rglob("*.mds")}
    assert {Path(name) for name in plan.streams} <= fetched
    assert {Path("heldout") / name for name in plan.streams} <= fetched
    assert (folder / "report.html").exists()
