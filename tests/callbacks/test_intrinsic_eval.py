"""The callback in a whole run: values as the run's own evaluation and the exported model give them; nothing changed."""

import json

import numpy as np
import pytest

from mmbert_composer.callbacks.intrinsic_eval import IntrinsicEval
from mmbert_composer.errors import UserError
from mmbert_composer.evaluation.bitext_scores import retrieval_accuracy
from mmbert_composer.evaluation.embed_texts import embed_texts
from mmbert_composer.evaluation.load_encoder import load_encoder
from mmbert_composer.train import train
from tests.conftest import leave_process_group, read_jsonl, tiny_documents


@pytest.fixture
def aligned(tmp_path):
    """Texts of the tiny data as if they were translations of each other."""
    texts = {}
    for document in tiny_documents():
        texts.setdefault(document["language"], []).append(document["text"])
    folder = tmp_path / "tatoeba"
    folder.mkdir()
    for language in ("deu", "fra"):
        (folder / f"tatoeba.{language}-eng.{language}").write_text("\n".join(texts[language][:20]) + "\n")
        (folder / f"tatoeba.{language}-eng.eng").write_text("\n".join(texts["eng"][:20]) + "\n")
    return tmp_path


def test_in_a_run(settings, aligned, yaml_of):
    settings["curriculum"]["phases"] = settings["curriculum"]["phases"][:2]
    settings["eval_interval"] = "8ba"
    settings["callbacks"]["huggingface_export"] = {}
    plain = dict(settings, save_folder=settings["save_folder"] + "-plain")
    train(yaml_of(plain, "plain.yaml"))
    leave_process_group()
    settings["callbacks"]["intrinsic_eval"] = {"interval": "8ba", "data": str(aligned), "pairs": 12}
    train(yaml_of(settings))
    rows = read_jsonl(aligned / "run" / "metrics.jsonl")
    plain_rows = read_jsonl(aligned / "run-plain" / "metrics.jsonl")

    def losses(lines):
        return [line["loss"] for line in lines if "event" not in line]

    assert losses(rows) == losses(plain_rows)  # training goes on as without it
    measured = [row for row in rows if row.get("event") == "intrinsic"]
    evaluated = {row["batch"]: row for row in rows if row.get("event") == "eval"}
    assert [row["batch"] for row in measured] == [8, 16, 20]
    for row in measured[:2]:
        streams = {name: stream["loss"] for name, stream in evaluated[row["batch"]]["streams"].items()}
        # The largest two streams of the plan are there from the first phase on.
        joined = row["held_out_loss"]["joined"]
        assert set(joined) == {"one", "two"}
        assert joined["one"] == pytest.approx(np.mean([streams["tiny/eng"], streams["tiny/fra"]]), rel=1e-6)
        assert joined["two"] == pytest.approx(np.mean([streams["tiny/deu"], streams["tiny/swh"]]), rel=1e-6)
        assert row["held_out_loss"]["script"] == {"Latin": pytest.approx(np.mean(list(streams.values())), rel=1e-6)}
        assert set(row["held_out_loss"]["size"]) == {"largest", "middle", "smallest"}
    encoder = load_encoder(aligned / "run" / "hf")
    for language, accuracy in measured[-1]["bitext_accuracy"].items():
        files = [aligned / "tatoeba" / f"tatoeba.{language}-eng.{side}" for side in (language, "eng")]
        vectors = [embed_texts(encoder, file.read_text().splitlines()[:12], max_length=64) for file in files]
        assert accuracy == pytest.approx(retrieval_accuracy(*vectors), abs=1 / 12)
    assert set(measured[-1]["bitext_accuracy"]) == {"deu", "fra"}


def test_refusals(tmp_path):
    with pytest.raises(UserError, match=r"no aligned texts: no tatoeba\.\*-eng\.eng in"):
        IntrinsicEval(data=tmp_path)
    (tmp_path / "a.jsonl").write_text(json.dumps({"text": "a", "language": "eng"}) + "\n")
    with pytest.raises(UserError, match="no `verses`"):
        IntrinsicEval(data=tmp_path)
    with pytest.raises(UserError, match="interval: 'often' is no interval"):
        IntrinsicEval(interval="often")
    with pytest.raises(UserError, match="pairs=1 must be 2 or more"):
        IntrinsicEval(pairs=1)
