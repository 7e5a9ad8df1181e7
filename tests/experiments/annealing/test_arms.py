"""Every model of the experiment has the same budget, and the arms differ in what they say and in nothing else."""

import pytest

from experiments.annealing.arms import ARMS, BUDGET, arm
from experiments.annealing.groups import GROUPS, PIVOTS, group_of, read_codes
from experiments.annealing.train_arm import YAMLS
from mmbert_composer.config import load_yaml, parse_run_config

TRAINED = [row for row in ARMS if row.yaml]


def config(name: str):
    row = arm(name)
    start = ["load_path=somewhere"] if row.start else []
    return parse_run_config(load_yaml(YAMLS / (row.yaml or ""), ["data.root=data", "save_folder=out", *start]))


def length(name: str) -> int:
    return config(name).curriculum.total_tok


def test_every_model_was_trained_on_the_same_number_of_slots_its_stem_included():
    for row in TRAINED:
        if row.measured:
            before = length(row.start) if row.start else 0
            assert before + length(row.name) == BUDGET, row.name


def test_a_run_sees_at_least_eight_million_tokens():
    assert BUDGET >= 8_000_000


@pytest.mark.parametrize("name", [row.name for row in TRAINED])
def test_arms_share_everything_but_languages_and_tau(name):
    one, stem = config(name), config("stem")
    for key in ("model", "optimizer", "global_train_batch_size", "precision"):
        assert one.raw[key] == stem.raw[key]
    phases = {phase.name: phase for phase in [*stem.curriculum.phases, *config("from-start").curriculum.phases]}
    for phase in one.curriculum.phases:
        assert phase.mask_ratio == phases[phase.name].mask_ratio
        assert phase.max_seq_len == phases[phase.name].max_seq_len
        assert phase.lr == phases[phase.name].lr


def test_a_start_comes_before_what_starts_from_it():
    names = [row.name for row in ARMS]
    for row in ARMS:
        assert all(names.index(name) < names.index(row.name) for name in (row.start, *row.merged) if name)


def test_languages_join_and_none_leaves():
    first, second = read_codes("pretrain.txt"), read_codes("extend.txt")
    assert set(first) < set(second)
    assert len(set(second)) == len(second) == 20
    assert set(PIVOTS) < set(first)


def test_a_group_is_where_the_cascade_meets_a_language():
    bible = {"est", "cak", "chq"}
    assert [group_of(code, bible) for code in ("est", "cak", "chq", "deu")] == list(GROUPS)
