"""The mmBERT recipes as files: every one loads, says what the paper says, and plans to the paper's totals."""

import csv
import json
from pathlib import Path

import pytest

from mmbert_composer.cli.main import main as mmbert
from mmbert_composer.config import load_yaml, parse_run_config
from mmbert_composer.config.run_config import read_languages
from mmbert_composer.merging.merge_request import MergeRequest
from mmbert_composer.model_size import model_size
from mmbert_composer.planning import plan_run
from mmbert_composer.train import main as train
from tests.conftest import REAL_DATA, ROOT

YAMLS = ROOT / "yamls"
PUBLISHED = {"pretrain": 2.3e12, "ext": 600e9, "decay": 100e9}
SIZES = {"small": (140e6, 42e6), "base": (307e6, 110e6)}
VARIANTS = ("pretrain", "ext", "decay-eng", "decay-cont", "decay-all", "decay")
RECIPES = [f"mmbert-{size}{f'-{part}' if part else ''}" for size in SIZES for part in ("", *VARIANTS)]
OTHERS = ["mmbert-continue", "mmbert-small-24gb"]
COUNTS = REAL_DATA / "mmbert-language-counts.csv"
SEGMENT_TOK = 207_360 * 8192
NEEDS_START = [name for name in [*RECIPES, "mmbert-continue"] if name.split("-")[-1] not in ("pretrain", *SIZES)]


def read(name: str):
    settings = load_yaml(YAMLS / f"{name}.yaml")
    settings.pop("load_as", None)
    return parse_run_config(settings)


def test_fourteen_and_two_more():
    assert {path.stem for path in YAMLS.glob("mmbert*.yaml")} == {*RECIPES, *OTHERS}
    assert len(RECIPES) == 14
    assert len(NEEDS_START) == 2 * 5 + 1


@pytest.mark.parametrize("name", RECIPES)
def test_totals_are_the_papers(name, tmp_path, capsys):
    out = tmp_path / "plan.json"
    assert mmbert(["plan", str(YAMLS / f"{name}.yaml"), "--json", str(out)]) == 0
    plan = json.loads(out.read_text())
    for phase in plan["phases"]:
        published = PUBLISHED[phase["name"]]
        assert abs(phase["tokens"] - published) <= SEGMENT_TOK / 2  # whole segments
        assert sum(row["share"] for row in phase["sources"].values()) == pytest.approx(1)
    printed = capsys.readouterr().out
    for phase in plan["phases"]:
        assert f"{round(PUBLISHED[phase['name']]):,} tokens became {phase['tokens']:,}" in printed
    assert plan["parameters"] == pytest.approx(SIZES[name.split("-")[1]][0], rel=0.01)
    assert plan["checkpoint_bytes"] == 12 * plan["parameters"]
    if name.split("-")[-1] in SIZES:
        assert [phase["name"] for phase in plan["phases"]] == list(PUBLISHED)


@pytest.mark.parametrize("size", SIZES)
def test_what_the_paper_says(size):
    config = read(f"mmbert-{size}")
    pretrain, ext, decay = config.curriculum.phases
    assert [phase.mask_ratio.start for phase in (pretrain, ext, decay)] == [0.30, 0.15, 0.05]
    assert [phase.max_seq_len for phase in (pretrain, ext, decay)] == [1024, 8192, 8192]
    assert [phase.rope_theta.global_theta for phase in (pretrain, ext, decay)] == [10_000, 160_000, 160_000]
    assert [phase.mixture["fineweb2"].tau for phase in (pretrain, ext, decay)] == [0.7, 0.5, 0.3]
    assert pretrain.lr.over_tok == {"base": 3_000_000_000, "small": 4_000_000_000}[size]
    assert pretrain.batch_size.curve.over_tok == {"base": 60_000_000_000, "small": 100_000_000_000}[size]
    assert pretrain.batch_size.sizes == list(range(64, 577, 64))
    assert config.global_train_batch_size * 8192 == 4608 * 1024
    # the multiplier at n of N decay tokens: a + (1 - a) (1 - sqrt(n / N)), a = 0.02
    quarter = decay.lr.at(decay.duration_tok / 4, decay.duration_tok)
    assert quarter == pytest.approx(0.02 + 0.98 * (1 - 0.5))
    assert config.optimizer["lr"] == 8e-4
    assert (config.seed, config.precision) == (21, "amp_bf16")
    assert model_size(config.model | {"vocab_size": 256_000}) == pytest.approx(SIZES[size], rel=0.02)
    heads = config.model["hidden_size"] // config.model["num_attention_heads"]
    assert heads == 64
    assert {1, 2, 4, 8, 16, 32, 64} == {n for n in range(1, 65) if config.curriculum.batch_divisor % n == 0}


def test_one_source_of_every_number():
    """The long and the short name of a recipe are one recipe, and a phase is the same alone and in the cascade."""
    for size in SIZES:
        short, full = (load_yaml(YAMLS / f"mmbert-{size}-{name}.yaml") for name in ("decay", "decay-all"))
        for settings in (short, full):
            del settings["run_name"], settings["save_folder"]
        assert short == full
        cascade = load_yaml(YAMLS / f"mmbert-{size}.yaml")["curriculum"]["phases"]
        alone = [
            load_yaml(YAMLS / f"mmbert-{size}-{name}.yaml")["curriculum"]["phases"][0]
            for name in ("pretrain", "ext", "decay-all")
        ]
        assert cascade == alone


@pytest.mark.parametrize("name", NEEDS_START)
def test_a_later_phase_says_what_to_set(name, capsys):
    assert train([str(YAMLS / f"{name}.yaml")]) == 1
    error = capsys.readouterr().err
    assert "needs load_path" in error
    assert "set load_path=RUN" in error


def test_the_models_are_built_as_published():
    from mmbert_composer.models.modernbert_config import build_config

    for size in SIZES:
        config = build_config(read(f"mmbert-{size}").model, 256_000, {"pad": 0, "eos": 1, "bos": 2}, 8192)
        assert model_size(config.to_dict())[0] == pytest.approx(SIZES[size][0], rel=0.01)
        assert (config.attention_dropout, config.mlp_dropout, config.attention_out_dropout) == (0.0, 0.0, 0.1)
        assert (config.norm_bias, config.attention_bias, config.mlp_bias, config.decoder_bias) == (*[False] * 3, True)


def test_sources_are_rows_of_the_data_file():
    from omegaconf import OmegaConf

    rows = OmegaConf.load(YAMLS / "data/mmbert.yaml")["sources"]
    for name in RECIPES:
        for phase in read(name).curriculum.phases:
            assert set(phase.mixture) <= set(rows), name


def lists() -> dict[int, list[str]]:
    return {n: read_languages(YAMLS / f"languages/mmbert-{n}.txt", "here") for n in (60, 110, 1833)}


def test_lists_of_languages():
    from mmbert_composer.data.languages import normalise_language

    codes = lists()
    assert [len(set(found)) for found in codes.values()] == [59, 108, 1832]
    assert set(codes[60]) < set(codes[110]) < set(codes[1833])
    for code in codes[1833]:
        assert normalise_language(code) == code


@pytest.mark.skipif(not COUNTS.exists(), reason="the published counts of languages are not here")
def test_lists_are_those_of_the_published_counts():
    with COUNTS.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for number, column in ((60, "pretrain"), (110, "ext"), (1833, "decay-all")):
        served = {row["language"] for row in rows if int(row[column])}
        assert set(lists()[number]) == served - {"eng", "code"}


@pytest.mark.skipif(not COUNTS.exists(), reason="the published counts of languages are not here")
def test_shares_by_language_are_the_published_ones():
    settings = load_yaml(YAMLS / "mmbert-base.yaml", [f"data.counts={COUNTS}"])
    plan = plan_run(parse_run_config(settings), vocab_size=256_000)
    assert [phase.languages for phase in plan.phases] == [59, 108, 1832]
    with COUNTS.open(newline="") as file:
        rows = {row["language"]: row for row in csv.DictReader(file)}
    for phase, tolerance in zip(plan.phases[:2], (0.001, 0.05), strict=True):
        streams = phase.sources["fineweb2"].streams
        total = sum(blocks for blocks, _ in streams.values())
        served = {name.split("/")[1]: int(rows[name.split("/")[1]][phase.name]) for name in streams}
        for name, (blocks, _) in streams.items():
            language = name.split("/")[1]
            published = served[language] / sum(served.values())
            if phase.name == "pretrain" or published > 0.01:
                assert blocks / total == pytest.approx(published, rel=tolerance)
    repeated, below = plan.warnings
    assert "held at max_passes=5" in repeated
    assert "below one block a segment" in below
    assert plan.phases[2].sources["fineweb2"].passes_max <= 5


@pytest.mark.parametrize("name", ["mmbert-base", "mmbert-small"])
def test_merges(name, tmp_path):
    """The file's folders are the recipes' own; what it asks for is checked with folders that exist."""
    text = (YAMLS / f"merge/{name}.yaml").read_text()
    from omegaconf import OmegaConf

    keys = {str(key): value for key, value in OmegaConf.to_container(OmegaConf.create(text)).items()}  # type: ignore
    folders = [keys.get("run") or keys["base"], *keys.get("models", [])]
    for folder in folders:
        assert (YAMLS / f"{Path(folder).name}.yaml").exists(), folder
        checkpoints = tmp_path / "a" / "b" / folder / "checkpoints"
        checkpoints.mkdir(parents=True)
        (checkpoints / "ep0-ba1-rank0.pt").write_bytes(b"")
    if "run" in keys:
        request = MergeRequest.of(keys, name, tmp_path / "a" / "b")
        assert (request.method.method, request.last, request.method.decay) == ("ema", 3, 0.8)
    else:
        assert (keys["method"], len(keys["models"]), keys["density"]) == ("ties", 3, 0.2)
