"""What ``mmbert plan`` says of GPUs, money and starts; the numbers themselves are tested where they are computed."""

import json

from mmbert_composer.cli.main import main
from tests.conftest import ROOT

BASE = str(ROOT / "yamls/mmbert-base.yaml")


def planned(capsys, *arguments, code=0):
    assert main(["plan", *map(str, arguments)]) == code
    out, err = capsys.readouterr()
    return err if code else out


def test_gpu_hours_and_costs(capsys):
    text = planned(capsys, BASE)
    assert "GPU hours at 108,000 tokens/s a GPU (published for one of 8 H100" in text
    text = planned(capsys, BASE, "--rate", 300_000, "--gpu-hour-price", 2)
    hours = 3e12 / 300_000 / 3600
    assert f"{hours:,.0f} GPU hours at 300,000 tokens/s a GPU (given)".split(" GPU")[0][:3] in text
    rows = [line.split() for line in text.split("GPUs that divide every batch")[1].splitlines()[2:9]]
    assert [row[0] for row in rows] == ["1", "2", "4", "8", "16", "32", "64"]
    assert rows[0][-1] == f"{round(2 * 2_999_892_049_920 / 300_000 / 3600):,}"
    text = planned(capsys, ROOT / "yamls/demo.yaml", "data.root=null")
    assert "give --rate, the tokens a second of one GPU, or --rate-from RUN" in text


def test_a_rate_that_was_measured(capsys, tmp_path):
    (tmp_path / "metrics.jsonl").write_text(json.dumps({"batch": 1, "tokens_per_second": 800_000}) + "\n")
    text = planned(capsys, BASE, "--rate-from", tmp_path, "--rate-gpus", 8)
    assert "at 100,000 tokens/s a GPU (the median of 1 steps of" in text
    error = planned(capsys, BASE, "--rate-from", tmp_path, "--rate", 5, code=1)
    assert "give --rate or --rate-from, not both" in error


def test_a_gpu_too_small(capsys):
    text = planned(capsys, BASE, "--gpu-memory", "24GB")
    assert "warning: a micro-batch of 4 blocks of 8,192 tokens takes about" in text
    assert "and the GPU has 24.0 GB: set device_train_microbatch_size=2" in text
    assert "warning" not in planned(capsys, BASE, "device_train_microbatch_size=2", "--gpu-memory", "24GB")
    assert "warning" not in planned(capsys, BASE, "--gpu-memory", "80")
    text = planned(capsys, BASE, "--gpu-memory", "14GB")
    assert "set model.activation_checkpointing=true device_train_microbatch_size=" in text
    assert "none fits: one block with" in planned(capsys, BASE, "--gpu-memory", "6GB")
    assert "write the memory of one GPU as 24GB" in planned(capsys, BASE, "--gpu-memory", "some", code=1)


def test_the_24_gb_recipes_fit(capsys):
    for name in ("mmbert-small-24gb", "mmbert-continue"):
        assert "warning" not in planned(capsys, ROOT / f"yamls/{name}.yaml", "--gpu-memory", "24GB")


def test_a_number_of_gpus_that_does_not_divide_the_batch(capsys):
    error = planned(capsys, BASE, "--gpus", 24, code=1)
    assert "24 ranks cannot share batches that are multiples of 64 blocks; use 1, 2, 4, 8, 16, 32, 64 ranks" in error
    assert "micro-batches of 1 blocks" in planned(capsys, BASE, "--gpus", 64)
    assert "--gpus 0 must be at least 1" in planned(capsys, BASE, "--gpus", 0, code=1)


def test_a_later_phase_can_be_planned_before_there_is_a_start(capsys):
    text = planned(capsys, ROOT / "yamls/mmbert-base-decay.yaml")
    assert "load_as is continue and load_path is not set: to train, set load_path=RUN" in text


def test_a_language_that_the_counts_lack(capsys, tmp_path):
    counts = tmp_path / "counts.csv"
    counts.write_text("source,language,tokens\nfineweb2,deu_Latn,1000000\n")
    error = planned(capsys, ROOT / "yamls/mmbert-base-pretrain.yaml", f"data.counts={counts}", code=1)
    assert "mixture.fineweb2: the data lacks afr, arb" in error
    assert "and 48 more in source 'fineweb2'" in error


def test_a_picture(capsys, tmp_path):
    text = planned(capsys, BASE, "--picture", tmp_path / "run.png")
    assert "picture:" in text
    assert (tmp_path / "run.png").stat().st_size > 20_000
