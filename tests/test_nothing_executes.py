"""Crafted files whose payload would write a file: what reads them refuses, and the file is not there."""

import ast
import builtins
import contextlib
import gzip
import inspect
import json
import os
import pickle
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from typer.main import get_command

import mmbert_composer
from mmbert_composer.checkpoints.read_checkpoint import read_checkpoint
from mmbert_composer.cli.eval import app
from mmbert_composer.config.load_yaml import load_yaml
from mmbert_composer.errors import UserError
from mmbert_composer.evaluation.baselines import find_model
from mmbert_composer.evaluation.load_encoder import load_encoder
from mmbert_composer.evaluation.read_tokenizer import read_tokenizer
from mmbert_composer.evaluation.settings import Settings

PACKAGE = Path(mmbert_composer.__file__).parent


class Payload:
    """Unpickled freely, it writes ``touched``."""

    def __init__(self, touched: Path, call: Callable[..., Any] = os.system) -> None:
        self.call = call
        self.arguments = (
            (f"touch {touched}",) if call is os.system else (f"__import__('pathlib').Path({str(touched)!r}).touch()",)
        )

    def __reduce__(self) -> Any:
        return self.call, self.arguments


@pytest.fixture
def touched(tmp_path: Path) -> Path:
    """Where a payload writes; shown first that unpickling one does write."""
    path = tmp_path / "touched"
    pickle.loads(pickle.dumps(Payload(path)))
    assert path.exists(), "the payload itself works"
    path.unlink()
    return path


def state(**more: Any) -> dict[str, Any]:
    return {"state": {"model": {"w": torch.zeros(2)}, **more}, "rng": []}


def torch_file(path: Path, touched: Path) -> None:
    torch.save(state(x=Payload(touched)), path)


def torch_file_that_evaluates(path: Path, touched: Path) -> None:
    torch.save(state(x=Payload(touched, builtins.eval)), path)


def in_a_dictionary_key(path: Path, touched: Path) -> None:
    torch.save(state(timestamp={("Timestamp", 1): [Payload(touched, builtins.exec)]}), path)


def old_torch_file(path: Path, touched: Path) -> None:
    torch.save(state(x=Payload(touched)), path, _use_new_zipfile_serialization=False)


def plain_pickle(path: Path, touched: Path) -> None:
    path.write_bytes(pickle.dumps(Payload(touched)))


def text_pickle(path: Path, touched: Path) -> None:
    path.write_bytes(pickle.dumps(Payload(touched), protocol=0))


def algorithm(path: Path, touched: Path) -> None:
    """Composer evaluates this text: weights_only lets it pass, it is a text."""
    text = f"Alibi(max_sequence_length=[open({str(touched)!r}, 'w').close(), 1][1])"
    torch.save(state(algorithms=[("Alibi", {"repr": text})]), path)


def algorithm_of_an_attribute(path: Path, touched: Path) -> None:
    text = f"alibi.alibi.os.system('touch {touched}')"
    torch.save(state(algorithms=[("Alibi", {"repr": text})]), path)


def tar(path: Path, touched: Path) -> None:
    inside = path.with_name("inside")
    torch_file(inside, touched)
    with tarfile.open(path, "w") as archive:
        archive.add(inside, "composer_states.pt")
        archive.add(inside, "../touched")  # and one that would be unpacked beside the folder


def gzipped(path: Path, touched: Path) -> None:
    torch_file(path, touched)
    path.write_bytes(gzip.compress(path.read_bytes()))


def sharded(path: Path, touched: Path) -> None:
    path.mkdir()
    (path / ".metadata").write_bytes(pickle.dumps(Payload(touched)))
    (path / "__0_0.distcp").write_bytes(b"")


def link(path: Path, touched: Path) -> None:
    torch_file(path.with_name("elsewhere"), touched)
    path.symlink_to("elsewhere")


def foreign_array(path: Path, touched: Path) -> None:
    """A dtype of Python objects that says it is raw bytes: its first element is read at an address of the file."""
    del touched

    class Kind:
        def __reduce__(self) -> Any:
            return np.dtype, ("O8", False, True), (3, "|", None, None, None, -1, -1, 0)

    class Array:
        def __reduce__(self) -> Any:
            rebuild = np.zeros(1).__reduce__()[0]
            return rebuild, (np.ndarray, (0,), b"b"), (1, (1,), Kind(), False, b"\x41" * 8)

    torch.save(state(rng=Array()), path)


CHECKPOINTS = [
    (torch_file, "it asks for posix.system"),
    (torch_file_that_evaluates, "it asks for eval"),
    (in_a_dictionary_key, "it asks for exec"),
    (old_torch_file, "a plain pickle, as torch wrote before 1.6"),
    (plain_pickle, "a plain pickle"),
    (text_pickle, "not a complete checkpoint file"),
    (algorithm, "which Composer would run as Python"),
    (algorithm_of_an_attribute, "which Composer would run as Python"),
    (tar, "a tar archive"),
    (gzipped, "compressed by gzip; unpack it"),
    (sharded, "a sharded checkpoint"),
    (link, "it asks for posix.system"),
    (foreign_array, "it holds a numpy array of type 'O8', not of plain numbers"),
]


@pytest.mark.parametrize(("craft", "reason"), CHECKPOINTS, ids=[craft.__name__ for craft, _ in CHECKPOINTS])
def test_checkpoints(tmp_path: Path, touched: Path, craft: Callable[[Path, Path], None], reason: str) -> None:
    path = tmp_path / "ep1-ba1-rank0.pt"
    craft(path, touched)
    for mmap in (True, False):
        with pytest.raises(UserError) as caught:
            read_checkpoint(path, mmap=mmap)
        assert reason in str(caught.value)
        assert str(path) in str(caught.value)
    assert not touched.exists()


def test_composer_itself_would_run_an_algorithm(tmp_path: Path, touched: Path) -> None:
    """The fault that stored_algorithms.py names: when this fails, that file can go."""
    from composer.core import State

    algorithm(tmp_path / "x.pt", touched)
    content = torch.load(tmp_path / "x.pt", weights_only=True)  # which finds nothing wrong with it
    with contextlib.suppress(Exception):
        State._apply_required_algorithms(SimpleNamespace(algorithms=[]), content["state"], None)  # type: ignore[arg-type]
    assert touched.exists()


def test_composers_own_ways_to_load(tmp_path: Path, touched: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Trainer goes through these three functions, whatever load_path is."""
    from composer.utils import checkpoint

    from mmbert_composer.runtime import safe_checkpoint_load

    for name in ("_torch_load_with_validation", "download_checkpoint", "load_sharded_checkpoint"):
        monkeypatch.setattr(checkpoint, name, getattr(checkpoint, name))  # put back at the end
    safe_checkpoint_load.install()
    file, archive, folder = tmp_path / "ep1-ba1-rank0.pt", tmp_path / "x.tar", tmp_path / "folder"
    torch_file(file, touched)
    tar(archive, touched)
    sharded(folder, touched)
    with pytest.raises(UserError, match="it asks for"):
        checkpoint.safe_torch_load(file)
    for path in (archive, tmp_path / "x.pt.gz"):
        with pytest.raises(UserError, match="an archive; unpacking it could write anywhere"):
            checkpoint.download_checkpoint(
                path=str(path), node_checkpoint_folder=str(tmp_path), object_store=None, progress_bar=False
            )
    with pytest.raises(UserError, match="a sharded checkpoint"):
        checkpoint.load_sharded_checkpoint(str(folder), None, None)  # pyright: ignore[reportArgumentType]
    assert not touched.exists()
    assert not (tmp_path.parent / "touched").exists()


def test_pickled_weights_of_a_folder(tmp_path: Path, touched: Path) -> None:
    from mmbert_composer.checkpoints.model_weights import model_weights

    torch.save({"w": Payload(touched)}, tmp_path / "pytorch_model.bin")
    with pytest.raises(UserError, match=r"its weights are pickled \(pytorch_model.bin\)"):
        model_weights(tmp_path)
    assert not touched.exists()


def test_python_beside_a_tokenizer(tmp_path: Path, touched: Path, tiny_data: Path) -> None:
    from mmbert_composer.data.tokenizer import load_tokenizer

    folder = tmp_path / "tokenizer"
    shutil.copytree(tiny_data / "tokenizer", folder)
    (folder / "own.py").write_text(f"open({str(touched)!r}, 'w').close()\nclass Own: ...\n")
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    settings |= {"tokenizer_class": "Own", "auto_map": {"AutoTokenizer": ["own.Own", "own.Own"]}}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    with pytest.raises(UserError, match="Python code beside them is not run"):
        load_tokenizer(folder)
    assert not touched.exists()


@pytest.mark.parametrize(
    "text",
    [
        "seed: !!python/object/apply:os.system ['touch TOUCHED']",
        "seed: !!python/object/new:subprocess.Popen [[touch, TOUCHED]]",
        "seed: !!python/name:os.system",
        "seed: ${eval:\"open('TOUCHED', 'w')\"}",
        "seed: ${python:TOUCHED}",
    ],
)
def test_yaml(tmp_path: Path, touched: Path, text: str) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(text.replace("TOUCHED", str(touched)))
    with pytest.raises(UserError, match=r"run\.yaml"):
        load_yaml(file)
    file.write_text("seed: 1\n")
    with pytest.raises(UserError, match=r"override .seed=|seed: Unsupported interpolation type"):
        load_yaml(file, [text.replace("TOUCHED", str(touched)).replace(": ", "=", 1)])
    assert not touched.exists()


def test_the_environment_in_a_yaml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A value may come from the environment: that reads and runs nothing."""
    monkeypatch.setenv("RUN_SEED", "7")
    (tmp_path / "run.yaml").write_text("seed: ${oc.decode:${oc.env:RUN_SEED}}\nrun_name: ${oc.env:NOWHERE,x}\n")
    assert load_yaml(tmp_path / "run.yaml") == {"seed": 7, "run_name": "x"}


def test_pickled_columns_of_data(tmp_path: Path, touched: Path) -> None:
    from streaming import MDSWriter, StreamingDataset

    with MDSWriter(out=str(tmp_path / "data"), columns={"x": "pkl"}) as writer:
        writer.write({"x": Payload(touched)})
    with pytest.raises(ValueError, match="allow_unsafe_types"):
        StreamingDataset(local=str(tmp_path / "data"), batch_size=1)
    assert not touched.exists()


FORBIDDEN = {
    "eval", "exec", "__import__", "pickle.load", "pickle.loads", "pickle.Unpickler", "np.load", "os.system", "os.popen",
    "yaml.load", "yaml.unsafe_load", "yaml.full_load", "torch.hub.load", "OmegaConf.register_new_resolver",
    "OmegaConf.register_resolver", "shutil.unpack_archive", "tarfile.open",
}  # fmt: skip
"""Calls that run, or unpack, what a file says; the package makes none."""

ASKED = ("trust_remote_code", "settings.trust_remote_code")
"""How ``mmbert eval run --trust-remote-code`` reaches the models it was asked for; false unless it is given."""


def test_code_of_evaluated_models_runs_on_request_alone() -> None:
    assert Settings.trust_remote_code is False
    for function in (load_encoder, read_tokenizer, find_model):
        assert inspect.signature(function).parameters["trust_remote_code"].default is False
    (option,) = (p for p in get_command(app).commands["run"].params if p.name == "trust_remote_code")
    assert option.default is False


def test_the_package_makes_no_such_call() -> None:
    found: list[str] = []
    for path in sorted(PACKAGE.rglob("*.py")):
        trusted = {"False", *ASKED} if path.is_relative_to(PACKAGE / "evaluation") else {"False"}
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name, keywords = ast.unparse(node.func), {k.arg: ast.unparse(k.value) for k in node.keywords}
            bad = (
                name in FORBIDDEN
                or (name == "torch.load" and keywords.get("weights_only") != "True")
                or keywords.get("shell") == "True"
                or keywords.get("allow_pickle") == "True"
                or keywords.get("allow_unsafe_types") == "True"
                or (name.endswith(".from_pretrained") and keywords.get("trust_remote_code") not in trusted)
            )
            if bad:
                found.append(f"{path.relative_to(PACKAGE)}:{node.lineno} {name}")
    assert found == []
