"""The retrieval suites offline: triplets and mirrors of two benchmark datasets on a tiny model."""

import pytest

from mmbert_composer.errors import UserError
from mmbert_composer.evaluation.all_tasks import BY_NAME
from mmbert_composer.evaluation.retrieval.run_retrieval import by_type
from mmbert_composer.evaluation.run_suite import run_suite
from mmbert_composer.evaluation.settings import Settings
from tests.evaluation.tiny_retrieval import MSMARCO, write_retrieval


def test_the_mean_is_over_types():
    scores = {"a": 10.0, "b": 20.0, "c": 60.0}
    assert by_type(scores, {"a": "STS", "b": "STS", "c": "Retrieval"}) == {"Retrieval": 60.0, "STS": 15.0}


@pytest.fixture
def how(tmp_path):
    def make(*names, **settings):
        said = []
        return Settings(
            folder=tmp_path / "out", tasks=tuple(BY_NAME[name] for name in names), say=said.append, **settings
        )

    return make


def test_what_is_missing_is_named_before_anything_runs(tiny_encoder, tmp_path, how):
    with pytest.raises(UserError, match=r"has no .*\(\d+ of 41 datasets"):
        run_suite(tiny_encoder, "m", write_retrieval(tmp_path), how("mteb_english"))
    with pytest.raises(UserError, match=r"MTEB.eng, v2. has no 'STS'; "):
        run_suite(tiny_encoder, "m", tmp_path, how("mteb_english", benchmark_tasks=("STS",)))
    (tmp_path / MSMARCO).write_text('{"query": "a", "positive": "b"}\n')
    with pytest.raises(UserError, match="no column 'negative'; found: query, positive"):
        run_suite(tiny_encoder, "m", tmp_path, how("coir", benchmark_tasks=("CosQA",)))


@pytest.mark.slow
def test_stage_benchmarks_and_probe(tiny_encoder, tmp_path, how):
    data = write_retrieval(tmp_path)
    names = ("mteb_english", "mteb_multilingual", "coir", "coir_probe")
    settings = how(*names, benchmark_tasks=("STSBenchmark", "BornholmBitextMining", "CosQA"))
    english, multilingual, coir, probe = run_suite(tiny_encoder, "m", data, settings).results
    assert english.extra["by_type"].keys() == {"STS"}
    assert english.score == pytest.approx(english.extra["by_task"]["STSBenchmark"])
    assert english.extra["stage"] == coir.extra["stage"]
    assert english.extra["stage"]["steps"] == 1
    assert multilingual.extra["by_type"]["BitextMining"] == pytest.approx(100)
    # Query and document are the same text: found at rank one.
    assert coir.score == pytest.approx(100)
    assert "a probe" in (probe.note or "")
    assert "1 tasks of CoIR: not the benchmark's score" in (coir.note or "")
    assert len(list((tmp_path / "out/stages").iterdir())) == 1
    assert run_suite(tiny_encoder, "m", data, settings).skipped == names
