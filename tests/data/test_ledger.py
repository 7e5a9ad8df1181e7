import numpy as np
import pytest

from mmbert_composer.data.inputs.document import Document, Skipped, TokenBatch
from mmbert_composer.data.inputs.token_sequences import TokenSequences
from mmbert_composer.data.ledger import Ledger
from mmbert_composer.errors import UserError


def ledger(good: int, bad: int) -> Ledger:
    result = Ledger()
    for _ in range(good):
        result.count(Document("text", "eng", "news"))
    for line in range(bad):
        result.count(Skipped("empty text", f"a.jsonl:{line + 1}", stream="news/eng"))
    return result


def test_in_is_kept_and_dropped_by_reason() -> None:
    counted = ledger(10, 2)
    counted.count(Skipped("too small", "cldr", bad=False, stream="news/deu"))
    counted.count(Skipped("invalid UTF-8", "b.txt:3", record=False))
    assert counted.to_json() == {
        "lines": 14,
        "documents": 13,
        "kept": 10,
        "dropped": {"empty text": 2, "too small": 1},
        "bad_lines": {"empty text": 2, "invalid UTF-8": 1},
        "first_bad": ["a.jsonl:1: empty text", "a.jsonl:2: empty text", "b.txt:3: invalid UTF-8"],
    }
    assert counted.dropped_by_stream == {"news/eng": {"empty text": 2}, "news/deu": {"too small": 1}}


def test_a_batch_of_tokens_counts_as_its_documents() -> None:
    counted = ledger(1, 0)
    counted.count(TokenBatch(TokenSequences(np.arange(9, dtype=np.uint32), np.array([2, 5, 9])), "deu", "mds"))
    assert (counted.lines, counted.documents, dict(counted.kept)) == (4, 4, {"news/eng": 1, "mds/deu": 3})


@pytest.mark.parametrize(
    ("good", "bad", "fraction", "fails"),
    [(9, 1, 0.001, False), (9, 2, 0.001, True), (9, 1, 0.0, True), (1998, 2, 0.001, False), (1996, 3, 0.001, True)],
)
def test_one_bad_line_is_always_allowed_unless_the_fraction_is_zero(
    good: int, bad: int, fraction: float, fails: bool
) -> None:
    counted = ledger(good, bad)
    if not fails:
        counted.check(fraction)
        return
    with pytest.raises(UserError, match=rf"{bad} of .* input lines are bad .*first: a.jsonl:1: empty text"):
        counted.check(fraction)


def test_the_first_five_are_named_and_the_rest_counted() -> None:
    with pytest.raises(UserError, match=r"a.jsonl:5: empty text and 7 more\."):
        ledger(0, 12).check(0.001)
