"""Invariants of the layout that backends build on, and when it may read the bounds."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmbert_composer.errors import UserError
from mmbert_composer.models.attention.packed_layout import GROUP_FILL, PackedLayout

# Tensors without data: whatever reads one back fails, as whatever makes the host wait for a GPU would.
META = torch.device("meta")


def bounds(lengths: list[int]) -> torch.Tensor:
    return torch.tensor([0, *torch.tensor(lengths).cumsum(0).tolist()], dtype=torch.int32)


def layout_of(lengths: list[int]) -> PackedLayout:
    return PackedLayout(bounds(lengths), max(lengths), sum(lengths))


def test_positions_and_sequence_numbers():
    layout = layout_of([3, 0, 1, 2, 0])
    assert layout.positions.tolist() == [0, 1, 2, 0, 0, 1]
    assert layout.sequence.tolist() == [0, 0, 0, 2, 3, 3]
    assert layout.bounds == [(0, 3), (3, 4), (4, 6)]
    assert layout.longest == 3


@settings(max_examples=50)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=12).filter(any))
def test_positions_count_from_0_in_each_sequence(lengths: list[int]):
    layout = layout_of(lengths)
    assert layout.positions.tolist() == [place for length in lengths for place in range(length)]
    assert layout.sequence.tolist() == [number for number, length in enumerate(lengths) for _ in range(length)]
    assert layout.positions.dtype == layout.sequence.dtype == torch.int64


def test_bounds_on_a_gpu_are_not_read_back_for_what_a_flash_forward_needs():
    layout = PackedLayout(torch.empty(5, dtype=torch.int32, device=META), 8, 20)
    assert (layout.positions.shape, layout.positions.device) == ((20,), META)
    with pytest.raises(NotImplementedError, match="meta tensor"):
        _ = layout.longest  # what sdpa asks for has to be read
    with pytest.raises(NotImplementedError, match="meta tensor"):
        PackedLayout(torch.empty(5, dtype=torch.int32, device=META), 8, 20, check=True)


def test_bounds_on_the_host_are_checked_before_they_are_moved():
    with pytest.raises(UserError, match="must rise from 0 to the 20 tokens"):
        PackedLayout(bounds([3, 4]), 8, 20, device=META)
    layout = PackedLayout(bounds([3, 17]).long(), 17, 20, device=META)
    assert (layout.cu_seqlens.device, layout.cu_seqlens.dtype) == (META, torch.int32)
    assert layout.longest == 17


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 60), min_size=1, max_size=30).filter(any))
def test_groups_hold_every_token_once_with_little_padding(lengths: list[int]):
    layout = layout_of(lengths)
    groups = layout.groups
    assert torch.equal(groups.token[groups.place], torch.arange(layout.num_tokens))
    places = sum(rows * longest for rows, longest in groups.shapes)
    assert len(groups.token) == places == layout.num_tokens + len(groups.padding)
    assert layout.num_tokens >= GROUP_FILL * places
    # The places of a group's row are the consecutive tokens of one sequence.
    at = 0
    for rows, longest in groups.shapes:
        sequence = layout.sequence[groups.token[at : at + rows * longest]].view(rows, longest)
        assert (sequence == sequence[:, :1]).all()
        at += rows * longest


def test_window_mask_never_leaves_a_query_without_a_key():
    layout = layout_of([3, 70, 1, 20])
    mask = layout.window_mask(half=8, chunk=64, dtype=torch.float32)
    assert mask.shape == (2, 1, 64, 80)
    assert torch.isfinite(mask).any(-1).all()
