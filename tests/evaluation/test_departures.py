"""What was done otherwise is said, and nothing else."""

from dataclasses import replace
from pathlib import Path

from mmbert_composer.evaluation.all_tasks import BY_NAME
from mmbert_composer.evaluation.departures import departures
from mmbert_composer.evaluation.settings import Settings

HOW = Settings(folder=Path("unused"))


def test_the_row_itself_is_no_departure():
    for name in ("cola", "mlqa", "wikiann"):
        assert departures(BY_NAME[name], BY_NAME[name], replace(HOW, max_length=8192, lrs=())) == []
    assert departures(BY_NAME["cola"], BY_NAME["cola"], replace(HOW, lrs=(2e-5,), epochs=(3,))) == []


def test_departures():
    how = replace(
        HOW,
        lrs=(5e-4,),
        epochs=(4,),
        max_length=64,
        max_train_examples=100,
        word_join="space",
        mend=frozenset({"pos-first-letter", "glue-f1"}),
    )
    assert departures(BY_NAME["udpos"], BY_NAME["udpos"], how) == [
        "lr 0.0005 in place of 2e-05",
        "epochs 4 in place of 10",
        "inputs cut to 64 tokens in place of 128",
        "tuned on 100 rows at most",
        "words joined by spaces",
        "mended: pos-first-letter",
    ]
    # What a sweep chose is no departure; the row that is tuned counts, and not the one that is scored.
    assert departures(BY_NAME["mlqa"], BY_NAME["squad"], replace(HOW, protocol="swept", lrs=(1e-5,))) == []
    assert departures(BY_NAME["mlqa"], BY_NAME["squad"], replace(HOW, epochs=(3,))) == []
