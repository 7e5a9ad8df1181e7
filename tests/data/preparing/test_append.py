"""New parts of data that is there: nothing old is touched, and a text stays on its side."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mmbert_composer.curriculum import BlockSampler, Curriculum, Phase, make_plan
from mmbert_composer.data.annealed_dataset import AnnealedDataset
from mmbert_composer.data.manifest import load_manifest
from mmbert_composer.data.prepare import run_job
from mmbert_composer.data.preparing import finish_job
from mmbert_composer.data.preparing.local_engine import local_engine
from mmbert_composer.data.stream_sizes import stream_sizes
from mmbert_composer.data.verify_data import verify_data
from mmbert_composer.errors import UserError
from tests.conftest import tiny_documents
from tests.data.preparing.conftest import Killed, Request, content, many_documents, quiet, sequences

HERE = local_engine(1)
NEW = tiny_documents(9)[:60]


@pytest.fixture
def data(corpus: str, request_of: Request) -> Path:
    return run_job(request_of(corpus), HERE, quiet).root


@pytest.fixture
def more(write_corpus: Callable[..., str]) -> str:
    """New texts, some old ones, and a stream that is new."""
    documents = [*NEW, *tiny_documents()[:40], *many_documents(600, "nld")]
    return write_corpus("more", documents)


def sides(data: Path, stream: str) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
    manifest = load_manifest(data)
    return sequences(manifest.stream_folder(stream)), sequences(manifest.heldout_folder(stream))


def test_a_part_is_added_and_nothing_old_is_touched(data: Path, more: str, request_of: Request) -> None:
    old, old_manifest = content(data), load_manifest(data)
    stamps = {path: path.stat().st_mtime_ns for path in data.rglob("*.mds")}
    manifest = run_job(request_of(more, append=True, dedup=True), HERE, quiet)
    new = content(data)
    changed = {name for name in old if new[name] != old[name]}
    assert changed <= {"manifest.json", *(name for name in old if name.endswith("index.json"))}
    assert {"manifest.json", "tiny/eng/index.json", "heldout/tiny/eng/index.json"} <= changed
    assert stamps == {path: path.stat().st_mtime_ns for path in stamps}
    for name, entry in old_manifest.streams.items():
        grown = manifest.streams[name]
        assert grown.parts[0] == entry.parts[0]
        assert [part.name for part in grown.parts] == ["0000", "0001"][: 1 + (f"{name}/index.json" in changed)]
        assert list(grown.shard_hashes.items())[: len(entry.shard_hashes)] == list(entry.shard_hashes.items())
        assert grown.blocks == sum(part.blocks for part in grown.parts)
        assert grown.tokens == sum(part.tokens for part in grown.parts)
        assert grown.fill == pytest.approx(grown.tokens / grown.blocks / 64)
    assert [part.name for part in manifest.streams["jsonl/nld"].parts] == ["0001"]
    verify_data(data)
    total = manifest.ledger
    assert total["documents"] == 145 + 60 + 40 + 660 == total["kept"] + sum(total["dropped"].values())
    assert total["kept"] == total["training"] + total["heldout"]


def test_equal_texts_stay_on_their_side(data: Path, more: str, request_of: Request) -> None:
    before = {name: sides(data, name) for name in load_manifest(data).streams}
    manifest = run_job(request_of(more, append=True), HERE, quiet)
    held_out_again = 0
    for name, (training, held_out) in before.items():
        now_training, now_held_out = sides(data, name)
        assert now_training[: len(training)] == training
        assert now_held_out[: len(held_out)] == held_out
        assert not set(now_training) & set(now_held_out)
        held_out_again += manifest.streams[name].drops.get("held out in an earlier part", 0)
    assert held_out_again == manifest.ledger["dropped"]["held out in an earlier part"] > 0


def test_with_dedup_an_old_text_does_not_come_again(data: Path, more: str, request_of: Request) -> None:
    before = {name: set(sides(data, name)[0]) for name in load_manifest(data).streams}
    manifest = run_job(request_of(more, append=True, dedup=True), HERE, quiet)
    for name, training in before.items():
        now, _ = sides(data, name)
        assert not set(now[len(training) :]) & training
    drops = manifest.ledger["dropped"]
    assert drops["duplicate"] + drops["held out in an earlier part"] == 40 + 60


def test_a_limit_counts_the_documents_of_all_parts(data: Path, more: str, request_of: Request) -> None:
    old = load_manifest(data)
    manifest = run_job(request_of(more, append=True, dedup=True, max_documents=50), HERE, quiet)
    for name, entry in manifest.streams.items():
        before = old.streams[name].documents if name in old.streams else 0
        assert entry.documents <= max(50, before)
    assert manifest.streams["jsonl/nld"].documents == 50
    assert manifest.streams["tiny/eng"].documents == old.streams["tiny/eng"].documents > 50
    assert manifest.streams["tiny/eng"].parts == old.streams["tiny/eng"].parts


def test_appending_again_does_nothing_and_other_input_is_the_next_part(
    data: Path, more: str, write_corpus: Callable[..., str], corpus: str, request_of: Request
) -> None:
    manifest = run_job(request_of(more, append=True), HERE, quiet)
    said: list[str] = []
    assert run_job(request_of(more, append=True), HERE, said.append) == manifest
    assert run_job(request_of(corpus), HERE, said.append) == manifest
    assert said == [f"{data}: 7 streams were prepared already; nothing to do"] * 2
    third = run_job(request_of(write_corpus("third", tiny_documents(3)[:9]), append=True), HERE, quiet)
    assert {part.name for entry in third.streams.values() for part in entry.parts} == {"0000", "0001", "0002"}


def test_what_cannot_be_appended_is_refused(
    data: Path, more: str, corpus: str, request_of: Request, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=r"nothing to append to: no data in .*; leave out --append"):
        run_job(request_of(more, out="other", append=True), HERE, quiet)
    with pytest.raises(UserError, match="has blocks of 64 tokens: append with --block-size 64, not 32"):
        run_job(request_of(more, append=True, block_size=32), HERE, quiet)
    with pytest.raises(UserError, match=r"input .*corpus.jsonl is in part 0000 of .*append with --dedup"):
        run_job(request_of(corpus, append=True, max_documents=7), HERE, quiet)
    with pytest.raises(UserError, match=r"was prepared in another way: .*or --append to add to it; nothing was"):
        run_job(request_of(more), HERE, quiet)
    run_job(request_of(corpus, append=True, dedup=True), HERE, quiet)
    assert load_manifest(data).ledger["dropped"]["duplicate"] > 100


def test_another_tokenizer_is_refused(data: Path, more: str, request_of: Request, tmp_path: Path) -> None:
    from dataclasses import replace

    from mmbert_composer.data.tokenizer import train_tokenizer

    train_tokenizer((document["text"] for document in tiny_documents(4)), 640, tmp_path / "other")
    request = replace(request_of(more, append=True), tokenizer=tmp_path / "other")
    with pytest.raises(UserError, match=rf"prepared with another tokenizer .*: append with {data / 'tokenizer'}"):
        run_job(request, HERE, quiet)


def test_data_between_two_states_is_not_read(
    data: Path, more: str, request_of: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*arguments: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(finish_job, "write_text", killed)
        with pytest.raises(Killed):
            run_job(request_of(more, append=True), HERE, quiet)
    with pytest.raises(UserError, match=r"new text was being added to .* run the same command again"):
        load_manifest(data)
    with pytest.raises(UserError, match="append was True, is False"):
        run_job(request_of(more), HERE, quiet)
    run_job(request_of(more, append=True), HERE, quiet)
    verify_data(data)


def test_a_run_continued_on_appended_data_repeats_nothing_and_keeps_the_order_of_old_parts(
    data: Path, more: str, request_of: Request
) -> None:
    """The blocks that a continuing run has left of the old part come first, in the order they would have had."""

    def curriculum(segments: int) -> Curriculum:
        phase = Phase("only", f"{segments * 16 * 64}tok", 0.3, max_seq_len=64, mixture={"tiny": {"share": 1.0}})
        return Curriculum([phase], block_size=64, segment_blocks=16, global_train_batch_size=4, max_passes=9)

    def drawn(plan, segments: int, stream: str) -> list[tuple[int, int]]:
        sampler, number = BlockSampler(plan), plan.streams.index(stream)
        rows = [sampler.segment(segment) for segment in range(segments)]
        return [
            (int(v), int(i))
            for row in rows
            for v, i in zip(row.visit[row.stream == number], row.index[row.stream == number], strict=True)
        ]

    stream, old = "tiny/eng", load_manifest(data)
    held = old.streams[stream].blocks
    old_plan = make_plan(curriculum(12), stream_sizes(old), data_seed=3)
    old_order = drawn(old_plan, 12, stream)
    run_job(request_of(more, append=True), HERE, quiet)
    new = load_manifest(data)
    grown = new.streams[stream].blocks
    assert grown > held
    first = dict(zip(old_plan.streams, map(int, old_plan.cursors_at(2)), strict=True))
    assert 0 < first[stream] < held
    plan = make_plan(curriculum(30), stream_sizes(new), data_seed=3, cursors=first)
    order = drawn(plan, 30, stream)
    rest_of_old = held - first[stream]
    assert order[:rest_of_old] == old_order[first[stream] : held]
    of_new_part = [index for _, index in order[rest_of_old : grown - first[stream]]]
    assert sorted(of_new_part) == list(range(held, grown))
    assert {visit for visit, _ in order[: grown - first[stream]]} == {0}
    dataset = AnnealedDataset(data, curriculum(30), seed=3, batch_size=2, cursors=first)
    assert len(dataset.plan.streams) == 6
