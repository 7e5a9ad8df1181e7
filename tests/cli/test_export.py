from transformers import AutoModelForMaskedLM

from mmbert_composer.cli.main import main

pytest_plugins = ("tiny_models",)


def test_export_of_a_checkpoint(tmp_path, save_run, save_checkpoint, tiny_model, capsys):
    run = save_run(tmp_path / "run")
    early = save_checkpoint(run / "checkpoints", tiny_model(0), epoch=1, batch=4, token=1024)
    save_checkpoint(run / "checkpoints", tiny_model(1), epoch=4, batch=16, token=4096)
    assert main(["export", str(early), "--out", str(tmp_path / "early")]) == 0
    assert "reloaded with transformers its logits differ by at most" in capsys.readouterr().out
    assert AutoModelForMaskedLM.from_pretrained(tmp_path / "early").config.global_rope_theta == 10_000
    assert main(["export", str(run), "--out", str(tmp_path / "late")]) == 0
    assert AutoModelForMaskedLM.from_pretrained(tmp_path / "late").config.global_rope_theta == 160_000
    assert main(["export", str(run), "--out", str(tmp_path / "late")]) == 1
    assert "exists already" in capsys.readouterr().err


def test_what_cannot_be_exported(tmp_path, save_checkpoint, tiny_model, capsys):
    assert main(["export", str(tmp_path / "none.pt"), "--out", str(tmp_path / "hf")]) == 1
    assert "no such file or folder" in capsys.readouterr().err
    alone = save_checkpoint(tmp_path / "alone", tiny_model(0), epoch=1, batch=4)
    assert main(["export", str(alone), "--out", str(tmp_path / "hf")]) == 1
    assert "no model_config.json beside it" in capsys.readouterr().err
    assert not (tmp_path / "hf").exists()
