import copy
import json

import pytest

from mmbert_composer.builders.past import changed_past, check_past, describe_past
from mmbert_composer.config import parse_run_config
from mmbert_composer.data.manifest import load_manifest
from mmbert_composer.errors import UserError


@pytest.fixture
def past_of(settings, tiny_data):
    """The past of the tiny settings, after a change to them."""

    def past_of(change=lambda settings: None):
        changed = copy.deepcopy(settings)
        change(changed)
        return json.loads(json.dumps(describe_past(parse_run_config(changed), load_manifest(tiny_data))))

    return past_of


def phase(number, **values):
    return lambda settings: settings["curriculum"]["phases"][number].update(values)


def section(name, **values):
    return lambda settings: settings.setdefault(name, {}).update(values)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda s: s.update(seed=6), "seed was 5, is 6 now"),
        (lambda s: s.update(precision="amp_bf16"), "precision was 'fp32', is 'amp_bf16' now"),
        (section("optimizer", lr=0.002), "optimizer.lr was 0.003, is 0.002 now"),
        (section("optimizer", betas=[0.9, 0.98]), "optimizer.betas was [0.9, 0.95], is [0.9, 0.98] now"),
        (section("optimizer", weight_decay=0.0), "optimizer.weight_decay was 8e-05, is 0.0 now"),
        (section("model", num_hidden_layers=4), "model.num_hidden_layers was 3, is 4 now"),
        (section("model", attention_out_dropout=0.1), "model.attention_out_dropout was 0.0, is 0.1 now"),
        (section("model", z_loss=1e-4), "model.z_loss was 0.0, is 0.0001 now"),
        (
            section("algorithms", gradient_clipping={"clipping_type": "norm"}),
            "algorithms was {}, is {'gradient_clipping': {'clipping_type': 'norm'}} now",
        ),
        (phase(0, mask_ratio=0.25), "phase 'one': mask_ratio at token 0 was 0.3, is 0.25 now"),
        (phase(0, max_seq_len=64), "phase 'one': max_seq_len at token 0 was 32, is 64 now"),
        (phase(0, lr=None), "phase 'one': lr at token 0 was 0.0, is 1.0 now"),
        (phase(0, duration="1_024tok"), "phase 'one': phase at token 1024 was one, is two now"),
        (phase(1, batch_size=4), "phase 'two': batch_size at token 2048 was 2, is 4 now"),
        (section("data", segment_blocks=32), "data.segment_blocks was 16, is 32 now"),
    ],
)
def test_what_may_not_change(past_of, change, line):
    assert line in list(changed_past(past_of(), past_of(change), token=2560))


@pytest.mark.parametrize(
    "change",
    [
        phase(2, mask_ratio=0.2, max_seq_len=32, rope_theta=20_000, lr=None),  # not begun
        phase(2, duration="8_192tok"),
        lambda s: s["curriculum"]["phases"].pop(),
        phase(1, duration="4_096tok"),  # under way: longer, and nothing behind changes
        section("model", num_attention_heads=2, norm_eps=1e-5, attention="sdpa", compile=False),  # the defaults, or how
        section("optimizer", betas=[0.9, 0.95]),
        section("callbacks", packing_monitor={}),
        section("data", num_workers=3, held_out_blocks=1, num_canonical_nodes=4),
        lambda s: s.update(device_train_microbatch_size=1, save_interval="7ba", eval_interval="2ba"),
        lambda s: s.update(global_train_batch_size=8),  # of phases that set their own, or have not begun
    ],
)
def test_what_may_change(past_of, change):
    changes = list(changed_past(past_of(), past_of(change), token=2560))
    assert changes == [] or changes == ["phase 'one': batch_size at token 0 was 4, is 8 now"]


def test_a_curve_that_the_new_length_stretches_is_the_past(past_of):
    """1 - sqrt over a phase that becomes longer: what was trained had another learning rate."""
    lines = list(changed_past(past_of(), past_of(phase(2, duration="4_096tok")), token=5120))
    assert len(lines) == 1
    assert lines[0].startswith("phase 'three': lr at token 41")


def test_the_error_says_both_values_and_what_to_do(past_of, tmp_path):
    content = {"state": {"callbacks": {"PastRecord": past_of()}}}
    check_past(content, tmp_path / "x.pt", past_of(), 2560)
    check_past({"state": {}}, tmp_path / "x.pt", past_of(), 2560)  # an older version wrote it
    with pytest.raises(UserError) as error:
        check_past(content, tmp_path / "x.pt", past_of(section("optimizer", lr=1.0, eps=1e-3)), 2560)
    assert str(error.value).startswith(
        f"{tmp_path / 'x.pt'} was trained with other settings: optimizer.eps was 1e-08, is 0.001 now; "
        "optimizer.lr was 0.003, is 1.0 now. What is trained stays as it is: set them back"
    )
