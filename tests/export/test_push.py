import pytest
from huggingface_hub import constants

from mmbert_composer.cli.main import main
from mmbert_composer.errors import UserError
from mmbert_composer.export.push import check_push

pytest_plugins = ("tiny_models",)


def test_a_name_that_is_none():
    with pytest.raises(UserError, match="'-x/y' is no name of a model on the hub"):
        check_push("-x/y")
    with pytest.raises(UserError, match="'name' must be USER/NAME"):
        check_push("name")


def test_offline(monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match="HF_HUB_OFFLINE is set, so nothing can be uploaded"):
        check_push("user/name")


def test_no_token(monkeypatch, tmp_path):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "none"))
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UserError, match="no token for the hub; set HF_TOKEN"):
        check_push("user/name")


def test_a_hub_that_cannot_be_reached(monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")  # nobody listens to the discard port
    monkeypatch.setattr("huggingface_hub.hf_api.api.endpoint", "http://127.0.0.1:9")
    monkeypatch.setenv("HF_TOKEN", "hf_none")
    with pytest.raises(UserError, match="the hub cannot be reached"):
        check_push("user/name")


def test_refused_before_the_export(monkeypatch, tmp_path, save_run, save_checkpoint, tiny_model, capsys):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    run = save_run(tmp_path / "run")
    save_checkpoint(run / "checkpoints", tiny_model(0), epoch=1, batch=4, token=1024)
    assert main(["export", str(run), "--out", str(tmp_path / "hf"), "--push", "user/name"]) == 1
    assert "HF_HUB_OFFLINE is set" in capsys.readouterr().err
    assert main(["export", str(run), "--out", str(tmp_path / "hf"), "--private"]) == 1
    assert "--private is for --push USER/NAME" in capsys.readouterr().err
    assert not (tmp_path / "hf").exists()
