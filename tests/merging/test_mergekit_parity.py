"""The same merges by mergekit, in its own environment (``make mergekit``, or MERGEKIT_PYTHON), as a program."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

from mmbert_composer.merging.merge_method import MergeMethod
from mmbert_composer.merging.merge_models import merge_models
from tests.conftest import ROOT

pytest_plugins = ("tiny_models",)

PYTHON = Path(os.environ.get("MERGEKIT_PYTHON", ROOT / ".venv-mergekit" / "bin" / "python"))

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PYTHON.exists(), reason=f"no mergekit at {PYTHON}: make mergekit, or set MERGEKIT_PYTHON"),
]

RUN = """
import sys
from mergekit.scripts.run_yaml import main
for name in sys.argv[1:]:
    main([f"{name}.yaml", name, "--quiet"], standalone_mode=False)
"""

CASES = {
    "linear": (MergeMethod(weights=(0.2, 0.3, 0.5)), 3),
    "slerp": (MergeMethod("slerp", t=0.3), 2),
    "task_arithmetic": (MergeMethod("task_arithmetic", weights=(0.6, -0.2, 0.5), lam=0.7), 3),
    "task_arithmetic-normalized": (MergeMethod("task_arithmetic", weights=(1.0, 2.0, 1.0), normalize=True), 3),
    "ties": (MergeMethod("ties", density=0.2), 3),
    "ties-weighted": (MergeMethod("ties", density=0.55, weights=(1.0, 0.4, 0.7), lam=0.8), 3),
}


def _recipe(method, folders):
    """The same merge in mergekit's words."""
    weights = method.weights or [1.0] * len(folders)
    recipe = {"merge_method": method.method, "dtype": "float32", "parameters": {}}
    models = [{"model": str(folder), "parameters": {"weight": weights[i]}} for i, folder in enumerate(folders)]
    if method.method == "slerp":
        recipe |= {"base_model": str(folders[0]), "parameters": {"t": method.t}}
        models = [{"model": str(folder)} for folder in folders]
    if method.needs_base:
        recipe |= {"base_model": str(folders[0].with_name("base")), "parameters": {"lambda": method.lam}}
    if method.density is not None:
        models = [{**m, "parameters": {**m["parameters"], "density": method.density}} for m in models]
    if method.normalize:
        recipe["parameters"]["normalize"] = True
    return {**recipe, "models": models}


def _save(folder, model, tokenizer):
    model.save_pretrained(folder)
    shutil.copytree(tokenizer, folder, dirs_exist_ok=True)
    return folder


def test_the_same_values(tmp_path, tiny_model, tiny_tokenizer):
    shape = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 5}
    _save(tmp_path / "base", tiny_model(0, **shape), tiny_tokenizer)
    folders = []
    for seed in (1, 2, 3):
        model = tiny_model(0, **shape)
        torch.manual_seed(seed)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter), alpha=0.1)
        folders.append(_save(tmp_path / f"m{seed}", model, tiny_tokenizer))
    for name, (method, count) in CASES.items():
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(_recipe(method, folders[:count])))
    done = subprocess.run(
        [str(PYTHON), "-c", RUN, *CASES],
        cwd=tmp_path,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    for name, (method, count) in CASES.items():
        base = tmp_path / "base" if method.needs_base else None
        merge_models(folders[:count], tmp_path / f"ours-{name}", method, base=base)
        ours = load_file(tmp_path / f"ours-{name}" / "model.safetensors")
        theirs = load_file(tmp_path / name / "model.safetensors")
        assert ours.keys() == theirs.keys()
        differences = {key: float((ours[key] - theirs[key]).abs().max()) for key in ours}
        print(name, "largest difference", max(differences.values()))
        assert max(differences.values()) <= 1e-6, (name, json.dumps(differences, indent=1))
        changed = [key for key in ours if not torch.equal(ours[key], load_file(folders[0] / "model.safetensors")[key])]
        assert len(changed) == len(ours)
