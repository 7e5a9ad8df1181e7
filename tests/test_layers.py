"""Nothing imports upward, and what shall be light to import is."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import mmbert_composer

PACKAGE = Path(mmbert_composer.__file__).parent
NAME = "mmbert_composer"

LAYERS = [
    {"errors", "model_size"},
    {"curriculum"},
    {"data", "models", "optim", "checkpoints", "merging", "export", "importing", "runtime", "registry", "recipes"},
    {"runs"},
    {"report", "evaluation"},
    {"callbacks"},
    {"config", "builders", "planning"},
    {"doctor"},
    {"train", "demo", "cli"},
]
"""Packages and files directly in mmbert_composer, lowest first; each may import its own layer and those below."""

LAYER_OF = {part: number for number, layer in enumerate(LAYERS) for part in layer}

CURRICULUM_MAY_IMPORT = {"numpy", NAME, *sys.stdlib_module_names}

LIGHT = {
    NAME: {"torch"},
    f"{NAME}.curriculum": {"torch", "streaming", "transformers"},
    f"{NAME}.data.manifest": {"torch", "streaming", "transformers", "tokenizers"},
    f"{NAME}.data.languages": {"torch", "streaming", "transformers", "tokenizers"},
    f"{NAME}.cli.prepare": {"torch", "streaming", "transformers", "tokenizers", "pyarrow"},
    f"{NAME}.merging.merge_request": {"torch", "streaming", "transformers", "tokenizers"},
    f"{NAME}.cli.tokenizer": {"torch", "streaming", "transformers", "tokenizers", "pyarrow"},
    f"{NAME}.cli.export": {"torch", "transformers", "huggingface_hub"},
    f"{NAME}.export.check_request": {"torch", "transformers"},
    f"{NAME}.importing.check_import": {"torch", "transformers", "tokenizers"},
    f"{NAME}.cli.main": {"torch", "streaming", "transformers", "tokenizers", "matplotlib"},
    f"{NAME}.report": {"torch", "streaming", "transformers"},
    f"{NAME}.runs.list_runs": {"torch", "streaming", "transformers"},
}
"""Module to what its import may not load."""


def _imports(path: Path) -> Iterator[str]:
    """Every module that a file imports anywhere in it, with the names taken from it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _parts() -> dict[str, list[Path]]:
    """Each package or file directly in mmbert_composer to its files."""
    parts: dict[str, list[Path]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        relative = path.relative_to(PACKAGE)
        if relative.parts[0] != "__init__.py":
            parts.setdefault(relative.parts[0].removesuffix(".py"), []).append(path)
    return parts


PARTS = _parts()


def _own_part(module: str) -> str | None:
    """``data`` of ``mmbert_composer.data.manifest``; None for other packages and for our own top-level names."""
    names = module.split(".")
    return names[1] if names[0] == NAME and len(names) > 1 and not names[1].startswith("__") else None


@pytest.mark.parametrize("part", PARTS)
def test_nothing_imports_upward(part: str) -> None:
    assert part in LAYER_OF, f"{part}: say in this test which layer it belongs to"
    upward = [
        f"{path.relative_to(PACKAGE)} imports {module}"
        for path in PARTS[part]
        for module in _imports(path)
        if (below := _own_part(module)) is not None and LAYER_OF[below] > LAYER_OF[part]
    ]
    assert upward == []


def test_the_package_itself_imports_nothing_of_its_own() -> None:
    assert [module for module in _imports(PACKAGE / "__init__.py") if _own_part(module)] == []


def test_the_curriculum_needs_numpy_alone() -> None:
    foreign = [
        f"{path.name} imports {module}"
        for path in PARTS["curriculum"]
        for module in _imports(path)
        if module.split(".")[0] not in CURRICULUM_MAY_IMPORT
    ]
    assert foreign == []


def test_light_modules_load_nothing_heavy() -> None:
    script = "\n".join(
        [
            "import importlib, sys",
            f"for module, heavy in {LIGHT!r}.items():",
            "    importlib.import_module(module)",
            "    loaded = sorted(heavy & set(sys.modules))",
            "    if loaded: sys.exit(f'import {module} loads {loaded}')",
        ]
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert (result.returncode, result.stderr) == (0, "")
