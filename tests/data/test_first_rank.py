from datetime import timedelta

from torch import distributed

from mmbert_composer.data.first_rank import on_first_rank


def test_without_a_process_group_everyone_works():
    done = []
    on_first_rank(lambda: done.append(1))
    assert done == [1]


def test_in_a_group_the_first_of_a_node_works(tmp_path, monkeypatch):
    store = distributed.FileStore(str(tmp_path / "store"), 1)
    distributed.init_process_group("gloo", store=store, rank=0, world_size=1, timeout=timedelta(seconds=30))
    done = []
    for local_rank in ("0", "1", "0"):
        monkeypatch.setenv("LOCAL_RANK", local_rank)
        on_first_rank(lambda rank=local_rank: done.append(rank))
    assert done == ["0", "0"]
