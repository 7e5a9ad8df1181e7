"""Packages that stand in for flash-attn: real modules on the path, with the published signatures."""

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mmbert_composer.models.attention import choose_backend, flash_attn

MODULES = ("flash_attn", "flash_attn_interface")


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], None]]:
    """A function of (module name, source) that makes a module importable; what was found before is forgotten."""

    def write(module: str, source: str) -> None:
        (tmp_path / f"{module}.py").write_text(source)
        importlib.invalidate_caches()

    monkeypatch.syspath_prepend(tmp_path)
    for module in MODULES:
        monkeypatch.delitem(sys.modules, module, raising=False)
    _forget()
    yield write
    for module in MODULES:
        sys.modules.pop(module, None)
    _forget()


def _forget() -> None:
    flash_attn.load_flash_attn.cache_clear()
    flash_attn._functions.clear()
    choose_backend._chosen.clear()
