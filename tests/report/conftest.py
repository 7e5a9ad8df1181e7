"""The made-up run folder of the report's tests."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.report.made_up_run import MadeUpRun


@pytest.fixture
def made_up_run(tmp_path: Path) -> Callable[..., MadeUpRun]:
    """A function of MadeUpRun's options; ``.write()`` then makes the folder."""
    return lambda **options: MadeUpRun(tmp_path / "run", **options)
