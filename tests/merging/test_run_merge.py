import pytest

from mmbert_composer.checkpoints.list_checkpoints import named_checkpoints
from mmbert_composer.checkpoints.run_folder import RunFolder
from mmbert_composer.errors import UserError
from mmbert_composer.merging.merge_method import MergeMethod
from mmbert_composer.merging.run_merge import RunMerge, check_base, merged_files, pinned_checkpoints

pytest_plugins = ("tiny_models",)

TIES = RunMerge(MergeMethod("ties", density=0.5))
PHASES = [{"name": "decay", "mask_ratio": 0.05, "max_seq_len": 256, "rope_theta": 160_000}]


@pytest.fixture
def run(tmp_path, save_run, save_checkpoint, tiny_model):
    """Phases start at 0, 1024 and 2048 slots; 256 slots a step; checkpoints at steps 4, 8, 10, 12, 14, 16."""
    run = save_run(tmp_path / "run")
    for epoch, batch in [(1, 4), (2, 8), (2, 10), (3, 12), (3, 14), (4, 16)]:
        save_checkpoint(run / "checkpoints", tiny_model(0), epoch=epoch, batch=batch, token=256 * batch)
    return run


def test_ties_without_a_base_is_refused_at_the_start(tmp_path, save_run):
    alone = RunFolder(save_run(tmp_path / "alone", phases=PHASES, segments=(4,)))
    with pytest.raises(UserError, match="has one phase and started from nothing, so name the base"):
        check_base(alone, TIES)
    check_base(alone, RunMerge())
    check_base(alone, RunMerge(MergeMethod("ties"), base="ep1-ba4-rank0.pt"))  # still to be written
    with pytest.raises(UserError, match=r"base=x\.pt does not exist"):
        check_base(alone, RunMerge(MergeMethod("ties"), base="x.pt"))


def test_pins(run):
    saved = named_checkpoints(run)

    def pinned(settings, count):
        return sorted(path.name for path in pinned_checkpoints(RunFolder(run), settings, saved[:count]))

    assert pinned(RunMerge(last=2), 3) == ["ep2-ba10-rank0.pt", "ep2-ba8-rank0.pt"]
    assert pinned(RunMerge(last=1), 6) == ["ep4-ba16-rank0.pt"]
    assert pinned(TIES, 1) == ["ep1-ba4-rank0.pt"]
    assert pinned(TIES, 6) == ["ep2-ba8-rank0.pt", "ep3-ba12-rank0.pt", "ep3-ba14-rank0.pt", "ep4-ba16-rank0.pt"]
    assert pinned(RunMerge(models=("checkpoints/ep1-ba4-rank0.pt",)), 6) == ["ep1-ba4-rank0.pt"]
    named = RunMerge(MergeMethod("ties"), last=1, base="checkpoints/ep1-ba4-rank0.pt")
    assert pinned(named, 6) == ["ep1-ba4-rank0.pt", "ep4-ba16-rank0.pt"]


@pytest.mark.parametrize("last", [0, -1, 2.5, True])
def test_bad_last(last):
    with pytest.raises(UserError, match="must be a whole number of checkpoints"):
        RunMerge(last=last)


def test_nothing_after_the_base(run):
    settings = RunMerge(MergeMethod("ties"), base="checkpoints/ep4-ba16-rank0.pt")
    with pytest.raises(UserError, match=r"no whole checkpoint to merge after its base .*ep4-ba16"):
        merged_files(RunFolder(run), settings, run / "checkpoints" / "ep4-ba16-rank0.pt")
