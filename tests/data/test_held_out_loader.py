import pytest
from composer.utils import dist

from mmbert_composer.data.held_out_loader import HeldOutLoader
from mmbert_composer.data.manifest import load_manifest
from mmbert_composer.errors import UserError


@pytest.fixture
def streams(tiny_data):
    return list(load_manifest(tiny_data).streams)


def rows_of(batches):
    """(stream, sorted labelled ids) of every block with labels."""
    rows = []
    for batch in batches:
        labels = batch["labels"].reshape(batch["blocks"], -1).numpy()
        rows += [
            (int(stream), tuple(sorted(row[row >= 0].tolist())))
            for stream, row in zip(batch["streams"], labels, strict=True)
            if (row >= 0).any()
        ]
    return sorted(rows)


def test_every_block_once_masked_at_fifteen_percent(tiny_data, streams):
    manifest = load_manifest(tiny_data)
    loader = HeldOutLoader(tiny_data, streams, batch_size=4)
    batches = list(loader)
    assert len(rows_of(batches)) == loader.num_blocks == sum(s.heldout_blocks for s in manifest.streams.values())
    for batch in batches:
        assert batch["gather"].shape == (4 * round(0.15 * 64),)
        assert batch["max_seqlen"] == 64
    assert rows_of(batches) == rows_of(list(loader))  # the same masks at every evaluation


def test_batch_size_and_ranks_change_nothing(tiny_data, streams, monkeypatch):
    whole = rows_of(HeldOutLoader(tiny_data, streams, batch_size=5))
    monkeypatch.setattr(dist, "get_world_size", lambda: 2)
    dealt = []
    for rank in range(2):
        monkeypatch.setattr(dist, "get_global_rank", lambda rank=rank: rank)
        batches = list(HeldOutLoader(tiny_data, streams, batch_size=2))
        dealt.append(batches)
    assert len(dealt[0]) == len(dealt[1])  # collectives at every batch need that
    assert rows_of(dealt[0] + dealt[1]) == whole


def test_fillers_carry_no_label_and_do_not_count(tiny_data, streams):
    loader = HeldOutLoader(tiny_data, streams, batch_size=7)
    last = list(loader)[-1]
    labelled = int((last["labels"].reshape(7, -1) >= 0).any(dim=1).sum())
    assert labelled < 7
    assert last["num_masked"] == int((last["labels"] >= 0).sum())


def test_streams_without_held_out_text(tiny_data):
    with pytest.raises(UserError, match="no stream of this run has held-out text"):
        HeldOutLoader(tiny_data, [], batch_size=2)
