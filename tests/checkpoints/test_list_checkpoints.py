import torch

from mmbert_composer.checkpoints.list_checkpoints import (
    CheckpointFile,
    list_checkpoints,
    named_checkpoints,
    newest_checkpoint,
    skipped_checkpoints,
    why_invalid,
)

pytest_plugins = ("tiny_models",)


def _truncate(path):
    path.write_bytes(path.read_bytes()[:-100])


def test_newest_whole_checkpoint(tmp_path, tiny_model, save_checkpoint):
    folder = tmp_path / "checkpoints"
    paths = [
        save_checkpoint(folder, tiny_model(i), epoch=e, batch=b) for i, (e, b) in enumerate([(0, 9), (1, 10), (2, 100)])
    ]
    assert list_checkpoints(tmp_path) == [
        CheckpointFile(path, epoch, batch)
        for path, (epoch, batch) in zip(paths, [(0, 9), (1, 10), (2, 100)], strict=True)
    ]
    assert list_checkpoints(folder) == list_checkpoints(tmp_path)
    assert newest_checkpoint(tmp_path).path == paths[2]
    _truncate(paths[2])
    assert newest_checkpoint(tmp_path).path == paths[1]
    assert [file.batch for file in list_checkpoints(tmp_path)] == [9, 10]
    assert list(skipped_checkpoints(tmp_path)) == [paths[2]]
    assert "incomplete" in skipped_checkpoints(tmp_path)[paths[2]]


def test_what_is_not_a_checkpoint(tmp_path, tiny_model, save_checkpoint):
    whole = save_checkpoint(tmp_path, tiny_model(0), epoch=1, batch=5)
    (tmp_path / "latest-rank0.pt").symlink_to(whole.name)
    (tmp_path / "ep1-ba6-rank0.pt.unfinished").write_bytes(b"half")
    (tmp_path / "ep1-ba7-rank1.pt").write_bytes(b"another rank")
    (tmp_path / "ep2-ba8-rank0.pt").write_bytes(b"")
    torch.save({"other": 1}, tmp_path / "ep3-ba9-rank0.pt")
    assert [file.batch for file in named_checkpoints(tmp_path)] == [5, 8, 9]
    assert [file.path for file in list_checkpoints(tmp_path)] == [whole]
    assert "no state.model" in why_invalid(tmp_path / "ep3-ba9-rank0.pt")
    assert why_invalid(whole) is None


def test_a_step_saved_twice_counts_once(tmp_path, tiny_model, save_checkpoint):
    save_checkpoint(tmp_path, tiny_model(0), epoch=1, batch=5)
    later = save_checkpoint(tmp_path, tiny_model(0), epoch=2, batch=5)
    assert [file.path for file in list_checkpoints(tmp_path)] == [later]
    _truncate(later)
    assert [file.epoch for file in list_checkpoints(tmp_path)] == [1]


def test_an_empty_or_missing_folder(tmp_path):
    assert newest_checkpoint(tmp_path) is None
    assert list_checkpoints(tmp_path / "none") == []
