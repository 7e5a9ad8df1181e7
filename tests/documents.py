"""Running what documents show: their marked blocks, in process, with runs shortened by overrides."""

import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from mmbert_composer.cli.main import main as mmbert
from mmbert_composer.train import main as train

BRIEF = ["save_interval=4ba", "eval_interval=null", "progress_bar=false", "curriculum.max_passes=null"]


def shortened(phases: int, duration: int, warm_up: int) -> list[str]:
    """Overrides that make a run of a few segments out of a recipe, ``phases`` of it."""
    overrides = [f"curriculum.phases.{number}.duration={duration}tok" for number in range(phases)]
    if phases > 1:
        overrides.append(f"curriculum.phases.0.lr.over={warm_up}tok")
    return overrides + BRIEF


class Document:
    """A Markdown file's code blocks, each under its mark: ``<!-- test: mine -->`` before it, "" without a name."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.text = path.read_text(encoding="utf-8")
        self._blocks = re.findall(r"(?:<!-- test(?:: ([\w ]+))? -->\n)?```(\w+)\n(.*?)```", self.text, re.DOTALL)

    def blocks(self, language: str, mark: str | None = None) -> list[str]:
        """The blocks of a language, of all marks or of one."""
        return [text for found, kind, text in self._blocks if kind == language and (mark is None or found == mark)]

    def commands(self, mark: str | None = None) -> list[str]:
        """The lines of the bash blocks."""
        return [line for text in self.blocks("bash", mark) for line in text.splitlines() if line.strip()]

    def run_python(self, block: str) -> None:
        """Run a Python example by itself."""
        exec(compile(block, f"{self.path.name}, a Python example", "exec"), {})


def run_command(command: str, overrides: Sequence[str] = ()) -> None:
    """Run ``mmbert ...`` or ``composer train.py ...`` (with ``overrides``) in this process; it must succeed."""
    program, *arguments = shlex.split(command)
    if program == "mmbert":
        if arguments[0] == "plan":
            arguments.append("curriculum.max_passes=null")  # the text here is a few pages
        if arguments[:2] == ["prepare", "run"]:
            arguments += ["--workers", "1"]
        assert mmbert(arguments) == 0, command
        return
    assert program == "composer", command
    arguments = arguments[arguments.index("train.py") + 1 :]
    assert train([*arguments, *overrides]) == 0, command
