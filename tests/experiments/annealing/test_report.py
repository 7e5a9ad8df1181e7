"""Means over languages, then seeds; spread over seeds."""

import numpy as np
import pytest

from experiments.annealing.report import by_group, markdown_table, plot


def result(arm, seed, shift):
    loss = {"est": 1.0 + shift, "lav": 3.0 + shift, "chq": 5.0 + shift, "deu": 7.0}
    retrieval = {"est": 0.5, "lav": 0.25, "chq": 0.1}
    return {"arm": arm, "seed": seed, "loss": loss, "retrieval": retrieval, "retrieval_centred": retrieval}


RESULTS = [result("all", 2, 0.2), result("all", 1, 0.0), result("from-start", 1, 1.0)]


def test_a_group_is_the_mean_of_its_languages_by_seed():
    cells = by_group(RESULTS, "loss")
    assert cells["all", "pretrain"] == pytest.approx([2.0, 2.2])
    assert cells["from-start", "decay: Bible"] == pytest.approx([6.0])
    assert cells["all", "decay: UDHR"] == pytest.approx([7.0, 7.0])
    assert ("all", "extend") not in cells


def test_a_language_that_one_arm_lacks_is_left_out_of_all():
    lacking = {**RESULTS[2], "loss": {"est": 2.0, "chq": 6.0}}
    assert by_group([*RESULTS[:2], lacking], "loss")["all", "pretrain"] == pytest.approx([1.0, 1.2])


def test_the_table_shows_mean_spread_and_seeds():
    table = markdown_table(by_group(RESULTS, "loss"), percent=False).splitlines()
    assert table[0] == "| arm | seeds | pretrain | decay: Bible | decay: UDHR |"
    assert table[2] == "| all languages from the start | 1 | 3.000 | 6.000 | 7.000 |"
    spread = np.std([2.0, 2.2], ddof=1)
    assert table[3].startswith(f"| annealed: decay on all languages | 2 | 2.100 ± {spread:.3f} |")


def test_the_plot_has_a_bar_for_every_cell():
    axes = plot(RESULTS).axes[0]
    assert len(axes.patches) == 2 * 3
