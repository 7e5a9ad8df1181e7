import pytest
import torch

from mmbert_composer.errors import UserError
from mmbert_composer.planning.gpu_memory import GB, gpu_memory, parse_gpu_memory

BASE = {"hidden_size": 768, "intermediate_size": 1152, "num_hidden_layers": 22, "attention_out_dropout": 0.1}
BASE["vocab_size"] = 256_000


def estimate(tokens, ratio=0.3, **more):
    return gpu_memory(BASE | more, 307_790_000, tokens, round(ratio * tokens), "amp_bf16")


def test_the_published_micro_batch_fits_the_gpu_it_was_chosen_for():
    """48 sequences of 1,024 on an H100 of 80 GB (arXiv:2509.06888), and not on 24 GB."""
    memory = estimate(48 * 1024)
    assert 24 * GB < memory.total < 80 * GB
    assert memory.states == 307_790_000 * 18
    assert estimate(2 * 8192).total < 24 * GB


def test_monotone():
    totals = [estimate(tokens).total for tokens in (8192, 16384, 65536)]
    assert totals == sorted(totals)
    assert estimate(65536, activation_checkpointing=True).total < estimate(65536).total
    assert (
        gpu_memory(BASE, 10**8, 8192, 800, "fp32").activations
        > gpu_memory(BASE, 10**8, 8192, 800, "amp_bf16").total / 9
    )
    alone = gpu_memory(BASE, 10**8, 8192, 800, "amp_bf16")
    assert gpu_memory(BASE, 10**8, 8192, 800, "amp_bf16", ranks=2).states == alone.states + 4 * 10**8


@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_what_a_layer_keeps_is_what_autograd_saves(dropout):
    """Bytes that the layers' own functions save of a token; the attention in between keeps what it is given."""
    from mmbert_composer.models import ModernBertMLM, build_config
    from mmbert_composer.models.encoder_layer import after_attention, before_attention
    from mmbert_composer.models.rotary import rotary_tables

    shape = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 3, "num_attention_heads": 1}
    config = build_config(shape | {"attention_out_dropout": dropout}, 64, {"pad": 0, "eos": 1, "bos": 2}, 64)
    layer = ModernBertMLM(config).train().model.model.layers[1]
    hidden = torch.randn(256, 64, requires_grad=True)
    tables = rotary_tables(layer.attn.rotary_emb.inv_freq, torch.arange(256), 1, torch.float32)
    saved: dict[int, int] = {}

    def pack(tensor):
        if tensor.shape and tensor.shape[0] == 256 and tensor.data_ptr() not in [table.data_ptr() for table in tables]:
            saved[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()  # of tokens, not of weights
            kept.append(tensor)
        return tensor

    kept: list[torch.Tensor] = []  # alive, so that no two share an address
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor), torch.autocast("cpu", torch.bfloat16):
        _, _, v = before_attention(layer, hidden, *tables)
        attended = v.clone().detach().requires_grad_()
        after_attention(layer, hidden, attended)
    measured = sum(saved.values()) / 256
    # queries, keys and values are kept by the attention that is left out here
    assert measured + 3 * 64 * 2 == pytest.approx(64 * (8 + 6 * 2 + bool(dropout)) + 3 * 96 * 2, rel=0.1)


def test_sizes_of_gpus():
    assert parse_gpu_memory("24GB") == parse_gpu_memory("24") == parse_gpu_memory(" 24 gb") == 24 * GB
    assert parse_gpu_memory("24GiB") == 24 * 2**30
    for text in ("large", "0", "-3GB", "24MB"):
        with pytest.raises(UserError, match="write the memory of one GPU as 24GB"):
            parse_gpu_memory(text)
