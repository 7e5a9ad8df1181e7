import pytest
import torch

from mmbert_composer.merging.slice_facts import slice_facts


def test_hand_worked():
    differences = torch.tensor([[1.0, -2.0, 0.5, 0.0], [3.0, 2.0, -0.1, 0.0]])
    trimmed = torch.tensor([[1.0, -2.0, 0.0, 0.0], [3.0, 2.0, 0.0, 0.0]])
    blended = torch.tensor([2.0, 2.0, 0.0, 0.0])
    facts = slice_facts(differences, trimmed, blended, 0.5)
    assert facts.elements == 4
    assert facts.kept.tolist() == [2, 2]
    assert facts.conflicts == 1
    assert facts.agreeing == 3
    # the merge is [1, 1, 0, 0]
    assert facts.to_merge.tolist() == pytest.approx([0 + 9 + 0.25, 4 + 1 + 0.01])
    assert facts.merge_square == 2
    twice = facts + facts
    assert (twice.elements, twice.kept.tolist(), twice.agreeing, twice.merge_square) == (8, [4, 4], 6, 4)


def test_a_negative_lambda_does_not_change_who_agrees():
    rows = torch.tensor([[1.0, -1.0]])
    assert slice_facts(rows, rows, rows[0], -2.0).agreeing == 2
