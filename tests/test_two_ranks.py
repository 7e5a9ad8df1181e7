"""The run on two ranks, started as a user does: the same samples in the same steps, and the same losses."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mmbert_composer.train import main
from tests.conftest import ROOT
from tests.test_train import assert_passes_in_order, rows_of, samples_of


def launch(ranks, yaml, *overrides):
    """``composer -n RANKS train.py YAML ...`` as in the README."""
    command = [str(Path(sys.executable).parent / "composer"), "-n", str(ranks), str(ROOT / "train.py"), str(yaml)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*command, *overrides], capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr


def assert_same_run(one, other, *, ranks):
    """The run in the folder ``other``, on so many ranks, had the samples, clock and losses of ``one``, on one rank."""
    dealt = [samples_of(other, rank) for rank in range(ranks)]
    assert {batch: sorted(samples) for batch, samples in samples_of(one).items()} == {
        batch: sorted(sample for rank in dealt for sample in rank[batch]) for batch in dealt[0]
    }
    left, right = rows_of(one), rows_of(other)
    for key in ("batch", "token", "tokens_real", "phase", "mask_ratio", "batch_size", "max_seq_len", "lr"):
        assert [row[key] for row in left] == [row[key] for row in right], key
    for key in ("loss", "masked_accuracy"):
        assert [row[key] for row in left] == pytest.approx([row[key] for row in right], abs=1e-5), key
    for mine, theirs in zip(rows_of(one, "eval"), rows_of(other, "eval"), strict=True):
        assert mine["loss"] == pytest.approx(theirs["loss"], abs=1e-5)
        assert {name: row["masked"] for name, row in mine["streams"].items()} == {
            name: row["masked"] for name, row in theirs["streams"].items()
        }


def test_two_ranks_and_one_give_the_same_run(settings, yaml_of, tmp_path):
    lines = [f"{word} {word[::-1]}" for word in ("abcd", "bdca", "jdlm", "mlkj", "dcbe", "klmj")]
    (tmp_path / "tatoeba.deu-eng.deu").write_text("\n".join(lines) + "\n")
    (tmp_path / "tatoeba.deu-eng.eng").write_text("\n".join(reversed(lines)) + "\n")
    settings["callbacks"] |= {"checkpoint_merging": {"last": 2}, "huggingface_export": {}}
    settings["callbacks"]["intrinsic_eval"] = {"interval": "8ba", "data": str(tmp_path)}
    yaml = yaml_of(settings)
    assert main([str(yaml), f"save_folder={tmp_path / 'one'}"]) == 0
    launch(2, yaml, f"save_folder={tmp_path / 'two'}")
    assert_same_run(tmp_path / "one", tmp_path / "two", ranks=2)
    for mine, theirs in zip(*(rows_of(tmp_path / name, "intrinsic") for name in ("one", "two")), strict=True):
        assert mine["batch"] == theirs["batch"]
        assert mine["bitext_accuracy"] == theirs["bitext_accuracy"]
        for kind, losses in mine["held_out_loss"].items():
            assert losses == pytest.approx(theirs["held_out_loss"][kind], abs=1e-5)
    assert [row["batch"] for row in rows_of(tmp_path / "two", "intrinsic")] == [8, 16, 24, 28]
    assert (tmp_path / "two" / "merged" / "merge.json").exists()
    assert json.loads((tmp_path / "one" / "plan.json").read_text()) == json.loads(
        (tmp_path / "two" / "plan.json").read_text()
    )


@pytest.mark.slow
def test_continue_on_two_ranks_what_one_began(settings, yaml_of, tmp_path):
    phases = settings["curriculum"]["phases"]
    settings["curriculum"]["phases"] = phases[:2]
    assert main([str(yaml_of(settings)), f"save_folder={tmp_path / 'stem'}"]) == 0
    settings["curriculum"]["phases"] = [phases[2]]
    settings |= {"load_path": str(tmp_path / "stem"), "load_as": "continue"}
    launch(2, yaml_of(settings), f"save_folder={tmp_path / 'decay'}")
    served = [sample for samples in samples_of(tmp_path / "stem").values() for sample in samples]
    ranks = [samples_of(tmp_path / "decay", rank) for rank in range(2)]
    served += [sample for batch in sorted(ranks[0]) for rank in ranks for sample in rank[batch]]
    assert_passes_in_order(served, tmp_path / "stem")
    assert rows_of(tmp_path / "decay")[0]["token"] == 0
