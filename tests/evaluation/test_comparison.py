"""Comparisons: gaps stay gaps, means need every cell, what differs is marked; the published tables as printed."""

import csv

import pytest

from mmbert_composer.errors import UserError
from mmbert_composer.evaluation.comparison import compare_scores
from mmbert_composer.evaluation.published import PAPER_AVERAGE, published_scores
from mmbert_composer.evaluation.read_results import BENCHMARKS, as_scores
from mmbert_composer.evaluation.result_file import Result
from mmbert_composer.evaluation.score_row import ScoreRow
from mmbert_composer.evaluation.select_scores import select_scores
from mmbert_composer.evaluation.show_comparison import cell_text, comparison_csv, comparison_html, footnote_lines


def row(model, task, score, **more):
    values = {"suite": "glue", "metric": "accuracy", "protocol": "default", **more}
    return ScoreRow(model=model, task=task, score=score, **values)


def test_a_gap_is_a_gap_and_has_no_mean():
    (table,) = compare_scores([row("a", "rte", 60.0), row("a", "qnli", 70.0), row("b", "qnli", 80.0)])
    a, b = table.lines
    assert table.tasks == ("rte", "qnli")
    assert [cell_text(cell) for cell in b.cells] == ["–", "80.0"]
    assert (a.average, b.average) == (65.0, None)
    assert table.best == (None, 80.0)


def test_what_differs_is_marked():
    rows = [
        row("a", "xnli", 60.0, languages=15, spread=0.25),
        row("b", "xnli", 61.0, languages=14),
        row("c", "xnli", 62.0, protocol="swept", languages=15),
        row("d", "xnli", 63.0, metric="f1", note="a probe"),
    ]
    (table,) = compare_scores(rows)
    assert [line.cells[0].marks for line in table.lines] == [(), (1,), (2,), (3, 4)]
    assert table.footnotes == (
        "14 languages, where the first of the column has 15",
        "protocol swept, where the first of the column is default",
        "a probe",
        "f1, where the first of the column is accuracy",
    )
    assert cell_text(table.lines[0].cells[0]) == "60.0 ±0.2"
    assert cell_text(table.lines[3].cells[0]) == "63.0³,⁴"
    assert footnote_lines(table)[0].startswith("¹ 14 languages")
    assert table.best == (62.0,)  # another metric is no better


def test_two_protocols_of_a_model_are_two_lines():
    (table,) = compare_scores([row("a", "rte", 1.0), row("a", "rte", 2.0, protocol="swept")])
    assert [(line.model, line.protocol) for line in table.lines] == [("a", "default"), ("a", "swept")]


def test_no_mean_of_losses():
    rows = [row("a", "loss", 3.0, metric="nats_per_masked_token"), row("a", "id", 90.0)]
    (table,) = compare_scores(rows)
    assert table.lines[0].average is None


def test_published_tables_are_as_printed():
    tables = {table.suite: table for table in compare_scores(published_scores())}
    assert set(tables) == {"glue", "xtreme", "mteb_eng_v2", "mteb_multilingual_v2", "coir", "lowres", "bitext"}
    assert all(row.source for row in published_scores())
    differences = {}
    for suite, table in tables.items():
        for line in table.lines:
            cells = dict(zip(table.tasks, line.cells, strict=True))
            own = [cell for task, cell in cells.items() if task != PAPER_AVERAGE]
            if cells.get(PAPER_AVERAGE) and all(own):
                mean = sum(cell.score for cell in own) / len(own)
                differences.setdefault(suite, []).append(mean - cells[PAPER_AVERAGE].score)
    assert {suite: len(found) for suite, found in differences.items()} == {
        "glue": 8,
        "xtreme": 6,
        "mteb_eng_v2": 8,
        "mteb_multilingual_v2": 6,
        "coir": 7,
    }
    for suite, found in differences.items():
        if suite != "glue":
            assert all(abs(difference) < 0.11 for difference in found), suite
    # The printed average of GLUE is below the mean of its columns, for every model.
    assert min(differences["glue"]) > 0.3
    assert max(differences["glue"]) < 1.15


def test_published_scores_of_other_protocols_are_marked():
    (table,) = compare_scores(select_scores([], ["xtreme"], published=True))
    default = next(line for line in table.lines if line.model == "XLM-R base" and line.protocol == "default")
    xnli = default.cells[table.tasks.index("xnli")]
    assert [table.footnotes[mark - 1] for mark in xnli.marks] == [
        "protocol default, where the first of the column is swept"
    ]


def test_selection():
    ours = [row("mine", "rte", 50.0)]
    assert {score.suite for score in select_scores(ours, None, published=True)} == {"glue"}
    assert select_scores(ours, None, published=False) == ours
    with pytest.raises(UserError, match="no scores of a suite 'glu': did you mean glue"):
        select_scores(ours, ["glu"], published=True)
    with pytest.raises(UserError, match="nothing to compare"):
        select_scores([], None, published=False)


def test_a_benchmark_is_compared_by_type():
    result = Result(
        metric="mean_of_types",
        score=45.0,
        spread=None,
        by_language={},
        extra={"benchmark": "MTEB(eng, v2)", "by_type": {"STS": 60.0, "Retrieval": 30.0}, "stage": {"steps": 3}},
        model="mine",
        suite="retrieval",
        task="mteb_english",
    )
    ours = as_scores(result)
    (table,) = compare_scores(select_scores(ours, None, published=True))
    mine = table.lines[0]
    assert (table.suite, mine.model, mine.protocol) == ("mteb_eng_v2", "mine", "MS MARCO tuning")
    assert [cell.score for cell in mine.cells if cell] == [60.0, 30.0]
    assert mine.average is None
    published = {(row.suite, row.task) for row in published_scores()}
    assert {(row.suite, row.task) for row in ours} <= published
    assert set(BENCHMARKS.values()) <= {suite for suite, _ in published}


def test_csv_and_page():
    tables = compare_scores([row("a <b>", "rte", 60.0, spread=0.5), row("a <b>", "qnli", 70.0, note="part")])
    rows = list(csv.DictReader(comparison_csv(tables).splitlines()))
    assert [(r["task"], r["score"], r["spread"], r["notes"]) for r in rows] == [
        ("rte", "60.0", "0.5", ""),
        ("qnli", "70.0", "", "part"),
        ("mean", "65.0", "", ""),
    ]
    page = comparison_html(tables, "A & B")
    assert "<title>A &amp; B</title>" in page
    assert "a &lt;b&gt;" in page
    assert "70.0<sup>1</sup>" in page
    assert "<li>part</li>" in page
    assert "http" not in page
