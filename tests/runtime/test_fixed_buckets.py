import pytest
import torch
from torch import distributed, multiprocessing, nn

from mmbert_composer.runtime.fixed_buckets import keep_buckets


class Tied(nn.Module):
    """Gradients come in another order than that of the parameters, as in the encoder: the embedding's is last."""

    def __init__(self):
        super().__init__()
        self.embedding, self.first, self.second = nn.Embedding(640, 32), nn.Linear(32, 48), nn.Linear(48, 32)
        self.norm = nn.LayerNorm(32)

    def forward(self, ids):
        hidden = self.embedding(ids)
        return self.second(torch.relu(self.first(self.norm(hidden)))) @ self.embedding.weight.T


def gradients(steps, *, keep, rank=0):
    """Of the same batch and weights, ``steps`` times in one process."""
    torch.manual_seed(0)
    model = Tied()
    wrapped = nn.parallel.DistributedDataParallel(model)
    if keep:
        keep_buckets(wrapped)
    torch.manual_seed(rank + 1)
    ids, labels = torch.randint(0, 640, (2, 64))
    found = []
    for _ in range(steps):
        model.zero_grad()
        nn.functional.cross_entropy(wrapped(ids), labels).backward()
        found.append([parameter.grad.clone() for parameter in model.parameters()])
    return found, bool(wrapped._get_ddp_logging_data().get("has_rebuilt_buckets"))


def test_buckets_are_not_rebuilt(tmp_path):
    distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    for keep in (False, True):
        found, rebuilt = gradients(3, keep=keep)
        assert rebuilt is not keep
        assert all(torch.equal(a, b) for a, b in zip(found[0], found[2], strict=True))


def test_a_model_that_is_not_wrapped_is_left_alone():
    model = nn.Linear(2, 2)
    keep_buckets(model)
    assert model(torch.ones(2)).shape == (2,)


def on_four_ranks(rank, folder, keep):
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/store-{keep}", rank=rank, world_size=4)
    first, _, third = gradients(3, keep=keep, rank=rank)[0]
    if rank == 0:
        torch.save(all(torch.equal(a, b) for a, b in zip(first, third, strict=True)), f"{folder}/{keep}.pt")
    distributed.destroy_process_group()


@pytest.mark.slow
def test_the_first_step_of_a_process_is_rounded_as_later_ones(tmp_path):
    for keep in (False, True):
        multiprocessing.spawn(on_four_ranks, args=(str(tmp_path), keep), nprocs=4)
        assert torch.load(tmp_path / f"{keep}.pt", weights_only=True) is keep
