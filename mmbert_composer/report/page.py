"""The report as one HTML page that needs nothing from outside."""

from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files

from mmbert_composer import __version__
from mmbert_composer.report.language_plots import (
    before_after_plot,
    dumbbell_plots,
    held_out_plot,
    share_plots,
)
from mmbert_composer.report.read_run import NOT_TRAINED, RunRecord
from mmbert_composer.report.schedule_plots import schedule_plots
from mmbert_composer.report.stream_rows import StreamRow
from mmbert_composer.report.summary import summary
from mmbert_composer.report.svg_figure import report_style
from mmbert_composer.report.tables import dot, language_table, merge_list, phase_table, source_table
from mmbert_composer.report.training_plots import training_plots

Plots = Mapping[str, tuple[str, str, str]]


def page(run: RunRecord, rows: Sequence[StreamRow]) -> str:
    """The whole page."""
    with report_style():
        sections = [
            _languages(run, rows),
            _held_out(run, rows),
            _training(run),
            _curriculum(run, rows),
            _table(run, rows),
            _merge(run),
        ]
    name = escape(run_name(run))
    assets = files("mmbert_composer.report") / "assets"
    css = (assets / "report.css").read_text(encoding="utf-8")
    script = (assets / "report.js").read_text(encoding="utf-8")
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{name} · training report</title>
<style>{css}</style>
</head>
<body>
<main>
<header><p class="kind">Training report</p><h1>{name}</h1>{summary(run, rows)}</header>
{"".join(sections)}
<footer>{_footer(run)}</footer>
</main>
<script>{script}</script>
</body>
</html>
"""


def run_name(run: RunRecord) -> str:
    """The run's name, or its folder's."""
    return str(run.config.get("run_name") or run.folder.resolve().name)


def _figure(plot_id: str, title: str, caption: str, svg: str, kind: str = "") -> str:
    heading = f"<h3>{escape(title)}</h3>" if title else ""
    css = f' class="{kind}"' if kind else ""
    return f'<figure id="{plot_id}"{css}>{heading}<div>{svg}</div><figcaption>{escape(caption)}</figcaption></figure>\n'


def _grid(plots: Plots) -> str:
    return f'<div class="grid">{"".join(_figure(key, *plot) for key, plot in plots.items())}</div>'


def _key(run: RunRecord) -> str:
    """The colours of the page: a phase and the languages that joined in it share one."""
    counts = [int((run.wave_of == wave).sum()) for wave in range(len(run.waves))]
    items = "".join(
        f"<li>{dot(run, wave)}{_joined(group.name)}: {count:,}</li>"
        for wave, (group, count) in enumerate(zip(run.waves, counts, strict=True))
        if count
    )
    return f'<ul class="key">{items}</ul>'


def _joined(name: str) -> str:
    return escape(name) if name == NOT_TRAINED else f"joined in {escape(name)}"


def _languages(run: RunRecord, rows: Sequence[StreamRow]) -> str:
    note = (
        "Each dot is a language at its part of a phase's blocks, largest first, on a log scale. "
        "Its colour says in which phase it joined."
    )
    sources = source_table(run) if len(run.sources) > 1 else ""
    return (
        f'<h2>Which languages, and how much of each</h2><p class="note">{note}</p>'
        f"{_key(run)}{_grid(share_plots(run, rows))}{sources}"
    )


def _held_out(run: RunRecord, rows: Sequence[StreamRow]) -> str:
    over_tokens = held_out_plot(run)
    if over_tokens is None:
        return '<h2>Held-out loss</h2><p class="note">This run has not measured its held-out loss yet.</p>'
    note = (
        "Measured on text that is never trained on, always at mask ratio 0.15 with the same masks and the same "
        "sequence length: it can be compared over phases and between runs."
    )
    parts = [
        f'<h2>Held-out loss</h2><p class="note">{note}</p>',
        _figure(
            "plot-held-out",
            "By the phase in which the languages joined",
            "Mean over masked tokens; the band holds the middle 80 % of the languages. "
            "A ring marks the last measurement before the group joined.",
            over_tokens,
            "wide",
        ),
    ]
    ends = before_after_plot(run, rows)
    if ends is not None:
        caption = (
            "A line a language: the ring is the last measurement before it joined (the first of all for those that "
            "were there from the start), the dot the last one. Sorted by the loss at the end."
        )
        parts.append(
            _figure("plot-before-after", "Every language, before it joined and at the end", caption, ends, "wide")
        )
        parts.append(_grid(dumbbell_plots(run, rows)))
    return "".join(parts)


def _training(run: RunRecord) -> str:
    plots = training_plots(run)
    wide = "".join(_figure(key, *plots.pop(key), "wide") for key in ["plot-training-loss"] if key in plots)
    return f"<h2>Training</h2>{wide}{_grid(plots)}"


def _curriculum(run: RunRecord, rows: Sequence[StreamRow]) -> str:
    note = "Every scheduled quantity is a function of the tokens seen, padding included. The strip shows the phase."
    return f'<h2>The curriculum</h2><p class="note">{note}</p>{_grid(schedule_plots(run))}{phase_table(run, rows)}'


def _table(run: RunRecord, rows: Sequence[StreamRow]) -> str:
    note = (
        "Tokens are real ones, without padding. Loss before is that of the last measurement before the language joined."
    )
    if run.log.languages:
        note += f" Blocks and tokens as of {run.log.languages[-1].token:,} tokens on the clock."
    if run.held_blocks is None:
        note += f" Passes are left out: {escape(run.data_problem)}."
    table = language_table(run, rows)
    if len(rows) > 400:
        table = f"<details><summary>Show all {len(rows):,} languages</summary>{table}</details>"
    return f'<h2>Language by language</h2><p class="note">{note}</p>{table}'


def _merge(run: RunRecord) -> str:
    if run.merge is None:
        return ""
    where = escape(str(run.folder / "merged"))
    return f'<h2>The merged model</h2><p class="note">In <code>{where}</code>.</p>{merge_list(run.merge)}'


def _footer(run: RunRecord) -> str:
    parts = [f"mmbert-composer {escape(__version__)}, from {escape(str(run.folder))}"]
    if run.log.resumes:
        batches = ", ".join(f"{batch:,}" for batch in run.log.resumes[:10])
        parts.append(f"started again {len(run.log.resumes)} times (after batch {batches})")
    if run.log.unreadable:
        parts.append(f"{run.log.unreadable} lines of metrics.jsonl could not be read and are left out")
    return ". ".join(parts) + "."
