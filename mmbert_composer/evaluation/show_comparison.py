"""Comparisons as text for the terminal, as CSV and as an HTML page that needs nothing from outside."""

import csv
import io
from collections.abc import Sequence
from html import escape

from rich import box
from rich.table import Table

from mmbert_composer.evaluation.comparison import Cell, ComparisonTable
from mmbert_composer.evaluation.published import PAPER_AVERAGE

MISSING = "–"
_SUPERSCRIPTS = str.maketrans("0123456789,", "⁰¹²³⁴⁵⁶⁷⁸⁹,")


def cell_text(cell: Cell | None) -> str:
    """``85.1 ±0.3`` and the numbers of its footnotes; a dash without a score."""
    if cell is None:
        return MISSING
    spread = "" if cell.spread is None else f" ±{cell.spread:.1f}"
    return f"{cell.score:.1f}{spread}{','.join(map(str, cell.marks)).translate(_SUPERSCRIPTS)}"


def column_name(task: str) -> str:
    """The heading of a task's column."""
    return "average as printed" if task == PAPER_AVERAGE else task


def text_table(table: ComparisonTable) -> Table:
    """For the terminal: the best of each column bold, models measured here first as they came."""
    shown = Table(title=table.suite, title_justify="left", caption_justify="left", box=box.SIMPLE, padding=(0, 1, 0, 0))
    shown.add_column("model", no_wrap=True)
    shown.add_column("protocol")
    for task in table.tasks:
        shown.add_column(column_name(task), justify="right")
    shown.add_column("mean", justify="right")
    for number, line in enumerate(table.lines):
        cells = [
            f"[bold]{cell_text(cell)}[/bold]" if cell is not None and cell.score == best else cell_text(cell)
            for cell, best in zip(line.cells, table.best, strict=True)
        ]
        average = MISSING if line.average is None else f"{line.average:.1f}"
        last_of_ours = not line.published and number + 1 < len(table.lines) and table.lines[number + 1].published
        name = f"{line.model} (published)" if line.published else line.model
        shown.add_row(name, line.protocol, *cells, average, end_section=last_of_ours)
    return shown


def footnote_lines(table: ComparisonTable) -> list[str]:
    """The footnotes, numbered, and the sources of what is published."""
    notes = [f"{str(number).translate(_SUPERSCRIPTS)} {text}" for number, text in enumerate(table.footnotes, 1)]
    return notes + [f"source: {text}" for text in table.sources]


def comparison_csv(tables: Sequence[ComparisonTable]) -> str:
    """A row a score: suite, model, published, protocol, task, metric, score, spread, notes; averages as a task."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["suite", "model", "published", "protocol", "task", "metric", "score", "spread", "notes"])
    for table in tables:
        for line in table.lines:
            head = [table.suite, line.model, str(line.published).lower(), line.protocol]
            for task, metric, cell in zip(table.tasks, table.metrics, line.cells, strict=True):
                if cell is not None:
                    notes = "; ".join(table.footnotes[mark - 1] for mark in cell.marks)
                    writer.writerow(
                        [*head, task, metric, cell.score, "" if cell.spread is None else cell.spread, notes]
                    )
            if line.average is not None:
                writer.writerow([*head, "mean", "", round(line.average, 4), "", ""])
    return file.getvalue()


_CSS = """
:root{color-scheme:light dark}
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:75rem;padding:0 1rem}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}
.scroll{overflow-x:auto}table{border-collapse:collapse}
th,td{padding:.25rem .7rem;text-align:right;white-space:nowrap;border-bottom:1px solid #8884}
th:first-child,td:first-child,th:nth-child(2),td:nth-child(2){text-align:left}
tr.ours{background:#4a90d922}td.best{font-weight:600}
small,li{color:#777}ol,ul{padding-left:1.3rem;font-size:.85rem}
"""


def comparison_html(tables: Sequence[ComparisonTable], title: str) -> str:
    """The whole page."""
    body = "".join(_html_table(table) for table in tables)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>{_CSS}</style>
</head>
<body>
<h1>{escape(title)}</h1>
{body}</body>
</html>
"""


def _html_table(table: ComparisonTable) -> str:
    heads = "".join(
        f"<th>{escape(column_name(task))}<br><small>{escape(metric)}</small></th>"
        for task, metric in zip(table.tasks, table.metrics, strict=True)
    )
    rows = []
    for line in table.lines:
        cells = "".join(
            f"<td{' class=best' if cell is not None and cell.score == best else ''}>{_html_cell(cell)}</td>"
            for cell, best in zip(line.cells, table.best, strict=True)
        )
        average = MISSING if line.average is None else f"{line.average:.1f}"
        name = f"{escape(line.model)}{' <small>published</small>' if line.published else ''}"
        kind = "" if line.published else ' class="ours"'
        rows.append(f"<tr{kind}><td>{name}</td><td>{escape(line.protocol)}</td>{cells}<td>{average}</td></tr>")
    notes = "".join(f"<li>{escape(text)}</li>" for text in table.footnotes)
    sources = "".join(f"<li>{escape(text)}</li>" for text in table.sources)
    return (
        f"<h2>{escape(table.suite)}</h2>\n"
        f'<div class="scroll"><table><thead><tr><th>model</th><th>protocol</th>{heads}<th>mean</th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>\n"
        f"{f'<ol>{notes}</ol>' if notes else ''}{f'<ul>{sources}</ul>' if sources else ''}\n"
    )


def _html_cell(cell: Cell | None) -> str:
    if cell is None:
        return MISSING
    spread = "" if cell.spread is None else f" ±{cell.spread:.1f}"
    marks = f"<sup>{','.join(map(str, cell.marks))}</sup>" if cell.marks else ""
    return f"{cell.score:.1f}{spread}{marks}"
