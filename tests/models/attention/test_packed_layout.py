"""Invariants of the layout that backends build on."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmbert_composer.models.attention.packed_layout import GROUP_FILL, PackedLayout


def layout_of(lengths: list[int]) -> PackedLayout:
    cu_seqlens = torch.tensor([0, *torch.tensor(lengths).cumsum(0).tolist()], dtype=torch.int32)
    return PackedLayout(cu_seqlens, max(lengths), sum(lengths))


def test_positions_and_sequence_numbers():
    layout = layout_of([3, 0, 1, 2])
    assert layout.positions.tolist() == [0, 1, 2, 0, 0, 1]
    assert layout.sequence.tolist() == [0, 0, 0, 1, 2, 2]
    assert layout.bounds == [(0, 3), (3, 4), (4, 6)]


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
