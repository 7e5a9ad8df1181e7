import json

import pytest

from mmbert_composer.checkpoints.run_folder import RunFolder
from mmbert_composer.curriculum.phase import RopeTheta
from mmbert_composer.errors import UserError

pytest_plugins = ("tiny_models",)


def test_phases_and_what_holds_at_a_clock(tmp_path, save_run):
    run = RunFolder(save_run(tmp_path / "run"))
    assert [(phase.name, phase.start, phase.end) for phase in run.phases] == [
        ("pretrain", 0, 1024),
        ("ext", 1024, 2048),
        ("decay", 2048, 4096),
    ]
    assert run.phases[0].streams == ("web/eng",)
    assert run.phases[1].streams == ("web/eng", "web/swh")
    assert run.rope_theta(1024) == RopeTheta(10_000, 10_000)  # the end of pretrain, not the start of ext
    assert run.rope_theta(1025) == run.rope_theta() == RopeTheta(160_000, 160_000)
    assert run.max_seq_len(1024) == 128
    assert run.max_seq_len() == 256
    assert run.rope_theta(0) == RopeTheta(10_000, 10_000)


def test_a_plain_run_has_its_model_config_alone(tmp_path, tiny_config):
    (tmp_path / "model_config.json").write_text(json.dumps(tiny_config(global_rope_theta=5e4).to_dict()))
    run = RunFolder.of(tmp_path / "ep1-ba1-rank0.pt")
    assert run.phases == ()
    assert run.config == {}
    assert run.rope_theta(0) == RopeTheta(5e4, 1e4)
    assert run.max_seq_len() == 256
    with pytest.raises(UserError, match="no tokenizer/ in it"):
        run.tokenizer  # noqa: B018


def test_a_checkpoint_outside_of_any_run(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(UserError, match=r"no model_config\.json beside it"):
        RunFolder.of(tmp_path / "checkpoints" / "ep1-ba1-rank0.pt")
