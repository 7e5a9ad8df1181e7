"""The demo: that it runs, and (slow) that what it shows is learning and no artefact."""

import json

import numpy as np
import pytest

from mmbert_composer.cli.main import main
from mmbert_composer.config import load_yaml, parse_run_config
from mmbert_composer.data.inputs.document import Document
from mmbert_composer.data.inputs.read_options import ReadOptions
from mmbert_composer.data.inputs.spec import parse_spec
from mmbert_composer.data.manifest import load_manifest
from mmbert_composer.data.text_encoder import TextEncoder
from mmbert_composer.data.unigram_loss import unigram_losses
from mmbert_composer.demo import TEXT
from tests.conftest import ROOT
from tests.test_train import rows_of


@pytest.fixture(scope="module")
def quick_demo(tmp_path_factory):
    out = tmp_path_factory.mktemp("demo") / "demo"
    assert main(["demo", "--quick", "--out", str(out), "--workers", "1"]) == 0
    return out


def test_quick(quick_demo, capsys):
    run = quick_demo / "run"
    for name in ("report.html", "hf/model.safetensors", "merged/model.safetensors", "metrics.jsonl", "plan.json"):
        assert (run / name).exists(), name
    manifest = load_manifest(quick_demo / "data")
    assert sum(entry.blocks > 0 for entry in manifest.streams.values()) >= 150
    plan = json.loads((run / "plan.json").read_text())
    blocks = np.array([segment["blocks"] for segment in plan["segments"]])
    assert (blocks[0] > 0).sum() <= 20
    # a finished one makes its report again and says so
    (run / "report.html").unlink()
    lines = (run / "metrics.jsonl").read_text()
    assert main(["demo", "--quick", "--out", str(quick_demo), "--workers", "1"]) == 0
    assert (run / "report.html").exists()
    assert (run / "metrics.jsonl").read_text() == lines
    (run / "report.html").write_text("old")
    assert main(["demo", "--quick", "--out", str(quick_demo), "--workers", "1"]) == 0
    said = " ".join(capsys.readouterr().out.split())  # a long path moves the line's end
    assert "was finished already: its report was made again" in said
    assert (run / "report.html").read_text() != "old"


def test_half_of_the_tokens_are_in_documents_that_the_first_phase_cuts(quick_demo):
    config = parse_run_config(load_yaml(ROOT / "yamls" / "demo.yaml"))
    encoder = TextEncoder(quick_demo / "tokenizer")
    texts = [r.text for r in parse_spec(TEXT, ReadOptions()).read() if isinstance(r, Document)]
    lengths = np.array([len(ids) for ids in encoder.encode(texts)])
    assert lengths[lengths > config.curriculum.phases[0].max_seq_len].sum() > 0.5 * lengths.sum()


def test_its_curriculum():
    config = parse_run_config(load_yaml(ROOT / "yamls" / "demo.yaml"))
    curriculum = config.curriculum
    for phase in curriculum.phases:
        assert phase.duration_tok == phase.requested_tok  # whole segments
    assert 2.2e6 < curriculum.total_tok < 2.8e6
    assert all(curriculum.batch_divisor % ranks == 0 for ranks in (1, 2, 4))
    first, second, last = curriculum.phases
    assert first.mask_ratio.start > second.mask_ratio.start > last.mask_ratio.start
    assert first.max_seq_len < second.max_seq_len == last.max_seq_len
    assert first.rope_theta.global_theta < second.rope_theta.global_theta == last.rope_theta.global_theta
    assert curriculum.tau_at(0)["cldr"] > curriculum.tau_at(second.first_segment)["cldr"] > 0.3 - 1e-9
    assert config.model["num_hidden_layers"] == 6


def test_refuses_a_folder_of_something_else(tmp_path, capsys):
    (tmp_path / "thesis.tex").write_text("precious")
    assert main(["demo", "--out", str(tmp_path)]) == 1
    assert "holds something else than a demo (thesis.tex); nothing was written" in capsys.readouterr().err


def joining_last(run):
    """Streams that get their first block in the last phase, and the clock at its start."""
    plan = json.loads((run / "plan.json").read_text())
    blocks = np.array([segment["blocks"] for segment in plan["segments"]])
    names = [segment["phase"] for segment in plan["segments"]]
    first = names.index(names[-1])
    joined = (blocks[:first].sum(axis=0) == 0) & (blocks[first:].sum(axis=0) > 0)
    return np.array(plan["streams"])[joined].tolist(), first * plan["segment_blocks"] * plan["block_size"]


def held_out(run, token, names):
    """Token-weighted mean held-out loss of some streams at a point of the clock."""
    (row,) = [row for row in rows_of(run, "eval") if row["token"] == token]
    rows = [row["streams"][name] for name in names]
    return np.average([r["loss"] for r in rows], weights=[r["masked"] for r in rows])


@pytest.mark.slow
def test_languages_are_learnt_when_they_join_and_not_before(tmp_path):
    out = tmp_path / "demo"
    assert main(["demo", "--out", str(out)]) == 0
    names, start = joining_last(out / "run")
    assert len(names) > 100
    end = parse_run_config(load_yaml(ROOT / "yamls" / "demo.yaml")).curriculum.total_tok
    before, after = held_out(out / "run", start, names), held_out(out / "run", end, names)
    unigram = unigram_losses(out / "data", names, blocks_per_stream=1)
    yardstick = np.average([loss for loss, _ in unigram.values()], weights=[n for _, n in unigram.values()])
    print(f"joining last: {before:.3f} -> {after:.3f}, unigram {yardstick:.3f}")
    assert after < 0.75 * before
    assert after < yardstick
    # the control: the same run, but the last phase stays with the languages that were in already
    from mmbert_composer.train import main as train

    overrides = [f"data.root={out / 'data'}", f"save_folder={tmp_path / 'control'}", "progress_bar=false"]
    overrides += ["curriculum.phases.2.mixture.cldr.languages=60", "data.held_out_streams=all"]
    assert train([str(ROOT / "yamls" / "demo.yaml"), *overrides]) == 0
    control = held_out(tmp_path / "control", start, names), held_out(tmp_path / "control", end, names)
    print(f"control: {control[0]:.3f} -> {control[1]:.3f}")
    assert control[1] > 0.9 * control[0]
