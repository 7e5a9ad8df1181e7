"""Rows of languages: shares, what they got, passes, loss before and after."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel

from mmbert_composer.data.manifest import Manifest, StreamEntry
from mmbert_composer.data.tokenizer_files import tokenizer_hash
from mmbert_composer.report.read_run import read_run
from mmbert_composer.report.stream_rows import StreamRow, step_fill, stream_label, stream_rows, wave_losses


def _by_name(rows: list[StreamRow]) -> dict[str, StreamRow]:
    return {row.name: row for row in rows}


def _held_out(made, name: str, batch: int) -> float:
    return next(
        line["streams"][name]["loss"] for line in made.lines if line.get("event") == "eval" and line["batch"] == batch
    )


def test_loss_before_is_that_of_the_phase_edge_and_after_the_last(made_up_run: Callable) -> None:
    made = made_up_run()
    rows = _by_name(stream_rows(read_run(made.write())))
    assert rows["cldr/eng"].before == _held_out(made, "cldr/eng", 0)
    assert rows["cldr/por"].before == _held_out(made, "cldr/por", 32)
    assert rows["cldr/sin"].before == _held_out(made, "cldr/sin", 48)
    assert rows["cldr/sin"].after == _held_out(made, "cldr/sin", 64)


def test_before_falls_back_to_the_last_measurement_that_there_was(made_up_run: Callable) -> None:
    made = made_up_run(eval_every_ba=20)
    assert _by_name(stream_rows(read_run(made.write())))["cldr/por"].before == _held_out(made, "cldr/por", 20)


def test_a_wave_that_has_not_begun_has_no_loss_before(made_up_run: Callable) -> None:
    made = made_up_run()
    made.lines = [line for line in made.lines if line["batch"] <= 20]
    rows = _by_name(stream_rows(read_run(made.write())))
    assert np.isnan(rows["cldr/por"].before)
    assert np.isfinite(rows["cldr/por"].after)


def test_blocks_and_tokens_are_those_logged(made_up_run: Callable) -> None:
    made = made_up_run()
    rows = stream_rows(read_run(made.write()))
    planned = np.array([segment["blocks"] for segment in made.plan["segments"]]).sum(0)
    given = {name: int(blocks) for name, blocks in zip(made.streams, planned, strict=True)}
    assert {row.name: row.blocks for row in rows} == given
    assert _by_name(rows)["cldr/eng"].tokens == int(given["cldr/eng"] * 512 * 0.98)
    np.testing.assert_allclose(np.sum([row.shares for row in rows], axis=0), 1.0)


def test_without_language_lines_the_blocks_of_whole_segments_count(made_up_run: Callable) -> None:
    made = made_up_run()
    made.lines = [line for line in made.lines if line.get("event") != "languages" and line["batch"] <= 22]
    rows = _by_name(stream_rows(read_run(made.write())))
    assert rows["cldr/eng"].blocks == sum(segment["blocks"][0] for segment in made.plan["segments"][:5])
    assert np.isnan(rows["cldr/eng"].tokens)


def test_passes_come_from_the_data(made_up_run: Callable, tmp_path: Path) -> None:
    made = made_up_run()
    made.plan["cursors"][0] = 10
    names = ["pad", "eos", "bos", "unk", "mask"]
    (tmp_path / "tokenizer").mkdir()
    vocabulary = {f"<{name}>": i for i, name in enumerate(names)}
    Tokenizer(WordLevel(vocabulary, unk_token="<unk>")).save(str(tmp_path / "tokenizer" / "tokenizer.json"))
    tokens = {f"{name}_token": f"<{name}>" for name in names}
    (tmp_path / "tokenizer" / "special_tokens_map.json").write_text(json.dumps(tokens))
    Manifest(
        root=tmp_path,
        format=1,
        block_size=512,
        tokenizer_hash=tokenizer_hash(tmp_path / "tokenizer"),
        special_ids={name: i for i, name in enumerate(names)},
        vocab_size=5,
        special_token_ids=(0, 1, 2, 3, 4),
        streams={name: StreamEntry(name=name, blocks=50) for name in made.streams},
    ).save()
    row = _by_name(stream_rows(read_run(made.write({"data": {"root": str(tmp_path)}}))))["cldr/eng"]
    assert row.passes == pytest.approx((10 + row.blocks) / 50)


def test_labels() -> None:
    assert stream_label("cldr/deu", several_sources=False) == "German"
    assert stream_label("cldr/srp_Latn", several_sources=False) == "Serbian (Latin)"
    assert stream_label("dclm/und", several_sources=True) == "dclm"
    assert stream_label("fineweb2/deu", several_sources=True) == "German · fineweb2"


def test_wave_losses_are_weighted_by_masked_tokens(made_up_run: Callable) -> None:
    made = made_up_run()
    run = read_run(made.write())
    first = next(line for line in made.lines if line.get("event") == "eval")
    wave = [first["streams"][name] for name, own in zip(run.streams, run.wave_of, strict=True) if own == 1]
    expected = sum(entry["loss"] * entry["masked"] for entry in wave) / sum(entry["masked"] for entry in wave)
    losses = wave_losses(run)
    assert set(losses) == {0, 1, 2}
    assert losses[1][0, 0] == 0
    assert losses[1][0, 1] == pytest.approx(expected)


def test_fill(made_up_run: Callable) -> None:
    fill = step_fill(read_run(made_up_run().write()))
    assert np.isnan(fill[0])
    assert ((fill[1:] > 0.96) & (fill[1:] < 1.0)).all()
