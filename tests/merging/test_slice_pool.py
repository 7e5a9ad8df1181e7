import pytest
import torch

from mmbert_composer.merging.slice_pool import SlicePool


def test_results_come_in_order_and_torch_gets_its_threads_back(store):
    model, before = store("one", {"w": torch.arange(6.0)}), torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        with SlicePool([model], None, workers=2) as pool:
            seen = list(pool.map(lambda reader, item: (item, torch.get_num_threads(), reader), range(20)))
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
    assert [item for item, _, _ in seen] == list(range(20))
    assert {threads for _, threads, _ in seen} == {1}
    assert len({id(reader) for _, _, reader in seen}) <= 2


def test_what_one_raises_ends_all(store):
    model = store("one", {"w": torch.arange(6.0)})

    def work(reader, item):
        if item == 3:
            raise ValueError("no")
        return item

    done = []
    with pytest.raises(ValueError, match="no"), SlicePool([model], None, workers=1) as pool:
        done.extend(pool.map(work, range(100)))
