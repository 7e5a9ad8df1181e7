"""A job that is killed anywhere, again and again, ends with the same bytes."""

import random
from collections.abc import Callable

import pytest

from mmbert_composer.data.manifest import load_manifest
from mmbert_composer.data.prepare import run_job
from mmbert_composer.data.preparing.local_engine import local_engine
from tests.conftest import tiny_documents
from tests.data.preparing.conftest import Killed, Request, content, killed_after, many_documents, quiet

HERE = local_engine(1)


@pytest.mark.parametrize("seed", [0, 1])
def test_killed_at_random_calls_it_ends_with_the_same(
    seed: int, corpus: str, write_corpus: Callable[..., str], request_of: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = random.Random(seed)
    settings = {"range_bytes": 6_000, "task_bytes": 3_000, "dedup": True}
    many = write_corpus("many", many_documents(1_500))
    more = write_corpus("more", [*tiny_documents(5)[:80], *tiny_documents()[:9], *many_documents(30, first=1_490)])
    whole, often = (request_of(corpus, many, out=name, **settings) for name in ("whole", "often"))
    appended = [request_of(more, out=name, append=True, **settings) for name in ("whole", "often")]
    for first, second in ((whole, often), appended):
        run_job(first, HERE, quiet)
        kills = 0
        while True:
            try:
                with killed_after(source.randrange(1, 100 + 50 * kills), monkeypatch):  # finishing takes a few dozen
                    run_job(second, HERE, quiet)
                break
            except Killed:
                kills += 1
        assert kills >= 3
        assert content(first.out) == content(second.out)
        assert load_manifest(second.out) == run_job(second, HERE, quiet)
        assert sorted(path.name for path in (second.out / ".prepare").iterdir()) == ["lock", "parts"]
