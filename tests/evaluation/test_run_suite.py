"""Every kind of task through the whole loop on a tiny model: checks, chains, languages, seeds, files, reruns."""

import json
from dataclasses import replace

import pytest

from mmbert_composer.errors import UserError
from mmbert_composer.evaluation.all_tasks import BY_NAME, TASKS
from mmbert_composer.evaluation.result_file import read_result
from mmbert_composer.evaluation.run_suite import run_suite
from mmbert_composer.evaluation.settings import Settings
from mmbert_composer.evaluation.task import FINE_TUNED_KINDS
from tests.evaluation.tiny_benchmarks import write_benchmarks


@pytest.fixture
def evaluate(tiny_encoder, benchmarks, tmp_path):
    """A function that runs tasks by name and returns (evaluation, lines said)."""

    def run(*names, **settings):
        said = []
        how = Settings(folder=tmp_path / "out" / "tiny", tasks=tuple(BY_NAME[n] for n in names), say=said.append)
        return run_suite(tiny_encoder, "tiny", benchmarks, replace(how, **settings)), said

    return run


def test_a_chain_is_tuned_once_and_a_rerun_skips(evaluate, tmp_path):
    first, said = evaluate("mnli", "rte", "xnli", languages=("en", "sw"))
    assert sum("mnli" in line and "tuning on" in line for line in said) == 1
    assert sum("rte" in line and "tuning on" in line for line in said) == 1
    assert [(result.task, result.suite) for result in first.results] == [
        ("mnli", "glue"),
        ("rte", "glue"),
        ("xnli", "xtreme"),
    ]
    mnli, rte, xnli = first.results
    assert rte.extra["tuned_on"] == ["mnli", "rte"]
    assert set(xnli.by_language) == {"en", "sw"}
    assert xnli.score == pytest.approx(sum(score.score for score in xnli.by_language.values()) / 2)
    assert mnli.hyperparameters["warmup_ratio"] == 0.06
    content = json.loads((tmp_path / "out/tiny/xnli.json").read_text())
    assert (content["format"], content["model"], content["protocol"], content["seeds"]) == (1, "tiny", "default", [42])
    assert content["by_language"]["sw"]["n"] == 8
    assert any("fine-tuned tasks: about" in line for line in said)

    again, said = evaluate("mnli", "rte", "xnli", languages=("en", "sw"))
    assert again.skipped == ("mnli", "rte", "xnli")
    assert not any("tuning on" in line for line in said)
    assert [result.score for result in again.results] == [result.score for result in first.results]
    # Another choice of languages is another result, by the same weights.
    other, said = evaluate("rte", "xnli", languages=("en",))
    assert other.skipped == ()
    assert not any("rte, lr" in line and "start" in line for line in said)


def test_spans_share_their_weights_and_oddities_are_mended_by_name(evaluate):
    done, said = evaluate("xquad", "mlqa", languages=("en", "zh", "hi"), mend=frozenset({"xquad-without-hi"}))
    assert sum("tuning on" in line for line in said) == 1
    xquad, mlqa = done.results
    assert set(xquad.by_language) == {"en", "zh", "hi"}
    assert set(xquad.extra["metrics"]) == {"f1", "exact_match"}
    assert 0 <= xquad.extra["metrics"]["exact_match"] <= xquad.score <= 100
    assert set(mlqa.by_language) == {"en", "hi", "zh"}
    again, _ = evaluate("xquad", languages=("en", "zh", "hi"))
    assert set(again.results[0].by_language) == {"en", "zh"}


def test_tags_by_both_ways_of_joining_words(evaluate):
    split, _ = evaluate("udpos", languages=("en", "th"))
    space, _ = evaluate("udpos", languages=("en", "th"), word_join="space", mend=frozenset({"pos-first-letter"}))
    assert (split.results[0].metric, space.results[0].metric) == ("f1", "accuracy")
    assert split.results[0].settings["word_join"] == "split"
    assert space.skipped == ()


def test_choices_and_seeds(evaluate):
    done, said = evaluate("xcopa", languages=("et",), seeds=(1,))
    (result,) = done.results
    assert result.extra["tuned_on"] == ["siqa", "copa"]
    assert sum("tuning on" in line for line in said) == 2
    assert result.spread is None
    # One seed more: the first is not tuned again.
    more, said = evaluate("xcopa", languages=("et",), seeds=(1, 2))
    assert sum("tuning on" in line for line in said) == 2
    (result,) = more.results
    assert result.seeds == (1, 2)
    assert result.spread is not None
    assert result.by_language["et"].spread is not None


def test_a_swept_score_says_that_it_is_an_oracle(evaluate, tmp_path):
    done, said = evaluate("sst2", protocol="swept", lrs=(1e-5, 3e-3), epochs=(1, 2))
    (result,) = done.results
    assert sum("tuning on" in line for line in said) == 4
    assert len(result.extra["grid"]) == 4
    assert result.score == max(point["score"] for point in result.extra["grid"])
    assert "oracle: the best of 4 settings, chosen on the split that is scored" in (result.note or "")
    assert (tmp_path / "out/tiny/sst2.swept.json").is_file()
    default, _ = evaluate("sst2")
    assert default.skipped == ()
    assert read_result(tmp_path / "out/tiny/sst2.json").protocol == "default"


def test_tuning_learns(evaluate, tiny_encoder, tmp_path):
    """Scored on what it was tuned on it is nearly right: loop, labels and scores fit together."""
    task = replace(BY_NAME["sst2"], test="train")
    how = Settings(folder=tmp_path / "learn", tasks=(task,), lrs=(1e-2,), epochs=(30,), say=lambda line: None)
    data = write_benchmarks(tmp_path / "data", [task])
    (result,) = run_suite(tiny_encoder, "tiny", data, how).results
    assert result.score > 85


@pytest.mark.parametrize(
    ("task", "settings", "message"),
    [
        ("sst2", {"lrs": (1e-5, 2e-5)}, "--lr: several values are a grid; add --protocol swept"),
        ("sst2", {"protocol": "best"}, "--protocol best: known are default, swept"),
        ("sst2", {"mend": frozenset({"glue-fl"})}, "--mend: there is no 'glue-fl'; did you mean glue-f1?"),
        ("wikiann", {"languages": ("xx",)}, "--languages: none of xx is in wikiann"),
    ],
)
def test_refused_settings(evaluate, task, settings, message):
    with pytest.raises(UserError, match=message):
        evaluate(task, **settings)


def test_results_of_another_model_are_not_overwritten(evaluate, tmp_path):
    evaluate("sst2", epochs=(1,))
    path = tmp_path / "out/tiny/sst2.json"
    path.write_text(path.read_text().replace('"model_hash": "', '"model_hash": "0'))
    with pytest.raises(UserError, match="holds results of another model of this name"):
        evaluate("sst2", epochs=(1,))


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [task.name for task in TASKS if task.kind in FINE_TUNED_KINDS and task.flat != "xquad"]
)
def test_every_task(evaluate, name):
    task = BY_NAME[name]
    done, _ = evaluate(name, epochs=(1,), seeds=(42,))
    (result,) = done.results
    assert set(result.by_language) == set(task.languages or ("eng_Latn", "fra_Latn"))
    assert all(score.n == 8 for score in result.by_language.values())
    assert result.metric == task.metric
    assert evaluate(name, epochs=(1,), seeds=(42,))[0].skipped == (name,)


@pytest.mark.slow
def test_the_whole_of_euroeval_protocol(evaluate):
    done, _ = evaluate("foqa")
    (result,) = done.results
    assert result.seeds == tuple(range(4242, 4252))
    assert result.spread is not None
    # Stopped by the dev loss, thousands of steps before the bound.
    assert all(steps % 30 == 0 and steps < 10_000 for steps in result.extra["steps"])
