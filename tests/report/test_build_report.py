"""The page: every plot and language is in it, for every kind of run."""

import itertools
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from mmbert_composer.data.languages import language_name
from mmbert_composer.errors import UserError
from mmbert_composer.report import build_report
from tests.report.made_up_run import LANGUAGES, THREE_PHASES, MadeUpRun, PhaseRow

SCHEDULES = {
    "plot-mask-ratio",
    "plot-tau",
    "plot-sequence-length",
    "plot-rope-theta",
    "plot-learning-rate",
    "plot-batch-size",
}
TRAINING = {
    "plot-training-loss",
    "plot-masked-accuracy",
    "plot-grad-norm",
    "plot-speed",
    "plot-packing",
    "plot-sequence",
}
HELD_OUT = {"plot-held-out", "plot-before-after", "plot-dumbbell-0", "plot-dumbbell-1", "plot-dumbbell-2"}
SHARES = {"plot-shares-0", "plot-shares-1", "plot-shares-2"}


class _Page(HTMLParser):
    """Ids of figures that hold a drawing, rows of tables, text, and tags left open."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.plots: set[str] = set()
        self.ids: list[str] = []
        self.text = ""
        self._open: list[tuple[str, str]] = []
        self.feed(html)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        own = dict(attrs).get("id") or ""
        if own:
            self.ids.append(own)
        if tag == "svg":
            self.plots.update(name for parent, name in self._open if parent == "figure")
        if tag not in ("meta", "br", "input"):
            self._open.append((tag, own))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def _page(folder: Path) -> _Page:
    path = build_report(folder)
    assert path == folder / "report.html"
    return _Page(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def resumed_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of three phases that was killed once, with its report."""
    made = MadeUpRun(tmp_path_factory.mktemp("report") / "run")
    made.kill_and_resume(at_batch=30, saved_batch=22)
    build_report(made.write())
    return made.folder


def test_every_plot_and_every_language(resumed_run: Path) -> None:
    page = _Page((resumed_run / "report.html").read_text(encoding="utf-8"))
    assert page.plots == SCHEDULES | TRAINING | HELD_OUT | SHARES
    for code in LANGUAGES:
        assert language_name(code) in page.text
    assert "in-progress" not in page.ids
    assert "started again 1 times (after batch 22)" in page.text
    assert "joining 10, then 15, then 35" in page.text


def test_nothing_is_loaded_from_outside(resumed_run: Path) -> None:
    html = (resumed_run / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"<(link|img|iframe|script src)|@import|url\((?!#)", html)
    # What is left of addresses are the names of SVG's namespaces.
    namespaces = {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert set(re.findall(r"https?://[^\"' <]+", html)) <= namespaces


def test_colours_follow_the_page_in_light_and_dark(resumed_run: Path) -> None:
    html = (resumed_run / "report.html").read_text(encoding="utf-8")
    drawings = "".join(re.findall(r"<svg.*?</svg>", html, flags=re.DOTALL))
    assert set(re.findall(r"#[0-9a-f]{6}\b", drawings)) <= {"#000000"}
    assert "prefers-color-scheme: dark" in html


def test_the_same_run_gives_the_same_page(resumed_run: Path) -> None:
    first = (resumed_run / "report.html").read_bytes()
    assert build_report(resumed_run).read_bytes() == first
    assert not list(resumed_run.glob(".report-*"))
    assert (resumed_run / "report.html").stat().st_mode & 0o777 == 0o644


def test_a_run_still_going_on(made_up_run: Callable) -> None:
    made = made_up_run()
    made.lines = [line for line in made.lines if line["batch"] <= 20]
    folder = made.write()
    with (folder / "metrics.jsonl").open("a") as file:
        file.write('{"batch": 21, "tok')
    page = _page(folder)
    assert "in-progress" in page.ids
    assert "31% of the plan" in page.text
    assert "1 lines of metrics.jsonl could not be read" in page.text
    assert page.plots >= SCHEDULES


def test_the_first_step(made_up_run: Callable) -> None:
    made = made_up_run()
    made.lines = [line for line in made.lines if line["batch"] <= 1]
    assert _page(made.write()).plots >= SHARES
    made.lines = []
    assert "0% of the plan" in _page(made.write()).text


def test_a_single_phase_without_measurements(made_up_run: Callable) -> None:
    made = made_up_run(phases=THREE_PHASES[:1], streams=["text/eng", "text/deu", "text/und"])
    made.lines = made.steps()
    page = _page(made.write())
    assert page.plots == SCHEDULES | TRAINING | {"plot-shares-0"}
    assert "has not measured its held-out loss yet" in page.text
    assert "German" in page.text
    assert "card-loss" in page.ids  # the training loss instead


def test_only_what_a_hand_built_run_logs(made_up_run: Callable) -> None:
    made = made_up_run()
    kept = {"batch", "token", "tokens_real", "phase", "loss", "lr", "tokens_per_second"}
    made.lines = [{key: value for key, value in line.items() if key in kept} for line in made.steps()]
    folder = made.write()
    (folder / "config.yaml").unlink()
    (folder / "model_config.json").unlink()
    page = _page(folder)
    assert page.plots == SHARES | {"plot-learning-rate", "plot-training-loss", "plot-speed", "plot-packing"}
    assert "in-progress" not in page.ids
    assert "card-model" not in page.ids


def test_merge_details_and_several_sources(made_up_run: Callable) -> None:
    made = made_up_run(streams=[f"cldr/{code}" for code in LANGUAGES[:30]] + [f"web/{c}" for c in LANGUAGES[:30]])
    folder = made.write({"run_name": "<b>bold & brave</b>"})
    (folder / "merged").mkdir()
    inputs = [f"checkpoints/ep0-ba{batch}-rank0.pt" for batch in range(8)]
    (folder / "merged" / "merge.json").write_text(json.dumps({"method": "ties", "density": 0.2, "inputs": inputs}))
    page = _page(folder)
    assert {"merge", "sources", "card-merged"} <= set(page.ids)
    assert "German · web" in page.text
    assert "density" in page.text
    assert inputs[-1] in page.text
    assert "<b>bold & brave</b>" in page.text  # as text, not as markup


def test_1834_streams(made_up_run: Callable) -> None:
    codes = ["".join(letters) for letters in itertools.product("abcdefghijklm", repeat=3)]
    phases = tuple(
        PhaseRow(row.name, row.segments, languages, row.tau, row.mask_ratio, row.max_seq_len, row.rope_theta)
        for row, languages in zip(THREE_PHASES, (60, 110, 1834), strict=True)
    )
    made = made_up_run(streams=[f"fineweb2/{code}" for code in codes[:1834]], phases=phases, eval_every_ba=16)
    folder = made.write()
    page = _page(folder)
    assert "Show all 1,834 languages" in page.text
    assert (folder / "report.html").stat().st_size < 8e6


def test_a_folder_that_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no such folder; name the save_folder of a run"):
        build_report(tmp_path / "none")
    with pytest.raises(UserError, match=rf"{tmp_path}: there is no readable metrics.jsonl"):
        build_report(tmp_path)
    assert not list(tmp_path.iterdir())
