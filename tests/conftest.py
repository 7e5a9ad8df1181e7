"""Fixtures shared by all tests: a tiny prepared data folder and the settings of a run on it."""

import gc
import json
import os
import random
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

ROOT = Path(__file__).parent.parent
REAL_DATA = ROOT.parent / "shared" / "data"

os.environ.setdefault("HF_HUB_OFFLINE", "1")
# Models of a few thousand weights: more threads would only wait for each other, minutes where the CPU is shared.
os.environ["OMP_NUM_THREADS"] = "1"
# Importing torch's compiler starts a process of half a gigabyte, unless it may compile on one thread alone.
os.environ["TORCHINDUCTOR_COMPILE_THREADS"] = "1"
# Its cache folder is made at import too: not in the machine's temporary folder.
os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(ROOT / ".pytest_cache" / "torchinductor")

# The same examples on every machine, and no clock: a busy machine is not a failure.
hypothesis.settings.register_profile("repeatable", deadline=None, derandomize=True)
hypothesis.settings.load_profile("repeatable")

LANGUAGES = {"eng": 60, "deu": 40, "fra": 24, "swh": 12, "isl": 6, "fao": 3}
"""Documents of each language of the tiny data: largest first, so that `languages: n` is easy to predict."""


TINY_MODEL = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "local_attention": 16,
}
"""A model of some 50,000 weights, with local and global layers."""


def tiny_documents(seed: int = 0) -> list[dict[str, str]]:
    """Documents of invented words, every language with an alphabet part and lengths of its own."""
    documents = []
    for number, (language, count) in enumerate(LANGUAGES.items()):
        source = random.Random(f"{seed}-{language}")
        letters = "abcdefghijklmnopqrstuvwxyz"[number * 3 : number * 3 + 10]
        words = ["".join(source.choices(letters, k=source.randint(2, 7))) for _ in range(60)]
        for _ in range(count):
            text = " ".join(source.choices(words, k=source.choice([5, 12, 30, 60])))
            documents.append({"text": text, "language": language, "source": "tiny"})
    random.Random(seed).shuffle(documents)
    return documents


@pytest.fixture(scope="session", autouse=True)
def temporary_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What libraries put into the temporary folder (Streaming's lock files) goes to pytest's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(tmp_path_factory.mktemp("tmp")))
        patch.setattr(tempfile, "tempdir", None)
        yield


@pytest.fixture(scope="module", autouse=True)
def small_heap() -> Iterator[None]:
    """What a module leaves behind (imports, caches) is not looked through again by every later collection."""
    yield
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def no_process_group() -> Iterator[None]:
    """A run in this process starts a process group of one; the next test begins without."""
    yield
    leave_process_group()


def leave_process_group() -> None:
    distributed = sys.modules.get("torch.distributed")
    if distributed is not None and distributed.is_initialized():
        distributed.destroy_process_group()
    if "MASTER_ADDR" not in os.environ:  # Composer leaves these, and accelerate would take itself for a rank
        for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "NODE_RANK"):
            os.environ.pop(name, None)


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared data folder: source `tiny`, six languages, blocks of 64 tokens. Never written to by a test."""
    return prepare_tiny(tmp_path_factory.mktemp("tiny"))


def prepare_tiny(folder: Path) -> Path:
    """Prepare the tiny documents in ``folder``; the folder of the data."""
    from mmbert_composer.data.prepare import prepare
    from mmbert_composer.data.tokenizer import train_tokenizer

    documents = tiny_documents()
    text = folder / "tiny.jsonl"
    text.write_text("".join(json.dumps(document) + "\n" for document in documents))
    train_tokenizer((document["text"] for document in documents), 640, folder / "tokenizer")
    prepare([f"jsonl:{text}"], folder / "tokenizer", folder / "data", block_size=64, say=lambda line: None)
    return folder / "data"


@pytest.fixture
def settings(tiny_data: Path, tmp_path: Path) -> Iterator[dict[str, Any]]:
    """A run of three phases of two segments of 16 blocks, one wave of languages each, as a YAML would hold it."""
    yield run_settings(tiny_data, tmp_path / "run")
    gc.collect()  # Streaming frees a dataset's shared memory when it is collected; do not leave that to the end


@pytest.fixture(scope="session")
def finished_run(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of two phases that is over, merged and exported: steps 3, 6, 8 (a phase's end), 9 to 20.

    Never written to by a test. ``run.yaml`` beside it is its YAML.
    """
    from omegaconf import OmegaConf

    from mmbert_composer.train import train

    folder = tmp_path_factory.mktemp("finished")
    settings = run_settings(tiny_data, folder / "run")
    settings["curriculum"]["phases"] = settings["curriculum"]["phases"][:2]
    settings["callbacks"] |= {"checkpoint_merging": {"last": 2}, "huggingface_export": {}}
    (folder / "run.yaml").write_text(OmegaConf.to_yaml(OmegaConf.create(settings)))
    train(folder / "run.yaml")
    leave_process_group()
    return folder / "run"


def run_settings(data: Path, save_folder: Path) -> dict[str, Any]:
    """The settings of the fixture ``settings``."""
    return {
        "data": {"root": str(data), "block_size": 64, "segment_blocks": 16, "seed": 3, "held_out_blocks": 2},
        "save_folder": str(save_folder),
        "save_interval": "3ba",
        "seed": 5,
        "global_train_batch_size": 4,
        "batch_size_multiple": 2,
        "device_train_microbatch_size": 2,
        "progress_bar": False,
        "model": dict(TINY_MODEL),
        "optimizer": {"name": "stable_adamw", "lr": 0.003},
        "curriculum": {
            "max_passes": 100,
            "phases": [
                _phase("one", 0.30, 32, 10_000, 2, 0.7, lr={"from": 0, "to": 1, "over": "512tok"}),
                _phase(
                    "two",
                    0.20,
                    64,
                    160_000,
                    4,
                    0.5,
                    batch_size={"from": 2, "to": 4, "curve": "equal_steps", "over": "1_024tok"},
                ),
                _phase("three", 0.10, 64, 160_000, None, 0.3, lr={"from": 1, "to": 0.02, "curve": "1-sqrt"}),
            ],
        },
        "callbacks": {"sample_log": {}},
    }


def _phase(name: str, ratio: float, length: int, theta: int, languages: int | None, tau: float, **more: Any) -> Any:
    mixture = {"tiny": {"share": 1.0, "tau": tau, "languages": languages}}
    row = {"name": name, "duration": "2_048tok", "mask_ratio": ratio, "max_seq_len": length, "rope_theta": theta}
    return {**row, "mixture": mixture, **more}


@pytest.fixture
def yaml_of(tmp_path: Path):
    """Writes settings as a YAML file and gives its path."""
    from omegaconf import OmegaConf

    def write(settings: dict[str, Any], name: str = "run.yaml") -> Path:
        path = tmp_path / name
        path.write_text(OmegaConf.to_yaml(OmegaConf.create(settings)))
        return path

    return write


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]
