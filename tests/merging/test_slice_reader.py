import torch
import xxhash

from mmbert_composer.merging.slice_reader import Slice, SliceReader, slices

NAME = "model.layers.0.attn.Wo.weight"


def test_slices_cover_a_tensor_once():
    assert list(slices("w", 7, 3)) == [Slice("w", 0, 0, 3), Slice("w", 1, 3, 6), Slice("w", 2, 6, 7)]
    assert list(slices("w", 0, 3)) == []


def test_models_side_by_side(store):
    one = store("one", {"w": torch.arange(10.0)})
    half = store("half", {"w": torch.arange(10.0, 20.0).bfloat16()})
    base = store("base", {"w": torch.ones(10, dtype=torch.float16)})
    reader = SliceReader([one, half], base, length=4)
    digests = []
    rows, origin = reader.read(Slice("w", 1, 4, 8), digests)
    assert rows.tolist() == [[4, 5, 6, 7], [14, 15, 16, 17]]
    assert origin.tolist() == [1, 1, 1, 1]
    stored = torch.arange(14.0, 18.0).bfloat16().view(torch.uint8).numpy().tobytes()
    assert digests[1] == xxhash.xxh3_128_digest(stored)
    assert len(digests) == 3
    assert reader.read_differences(Slice("w", 2, 8, 10)).tolist() == [[7, 8], [17, 18]]
    rows, origin = SliceReader([one], None).read(Slice("w", 0, 0, 2))
    assert rows.tolist() == [[0, 1]]
    assert origin is None


def test_bytes(store):
    model = store("one", {"w": torch.ones(1), "steps": torch.tensor([7, 8, 9])})
    raw = SliceReader([model], None).read_bytes(Slice("steps", 0, 1, 3), model.tensors["steps"])
    assert raw == torch.tensor([8, 9]).numpy().tobytes()
