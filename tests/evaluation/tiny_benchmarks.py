"""Tiny local copies of every task's schema: own sentences in the columns, configs and splits that the hub has."""

import json
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mmbert_composer.evaluation.all_tasks import chain
from mmbert_composer.evaluation.task import FINE_TUNED_KINDS, Task

TEXT = "the river runs under an old stone bridge and seven red boats wait for rain in harbour of small town"
WORDS = TEXT.split()


def sentence(source: random.Random, least: int = 4, most: int = 9) -> str:
    return " ".join(source.choices(WORDS, k=source.randint(least, most)))


def make_rows(task: Task, count: int, seed: str, language: str = "en") -> list[dict[str, Any]]:
    """Rows of the task's schema; labels by name and by number take turns."""
    source = random.Random(f"{task.name}-{seed}")
    return [_row(task, number, source, language) for number in range(count)]


def write_benchmarks(root: Path, tasks: Iterable[Task], rows: int = 8) -> Path:
    """Write every split that fine-tuned ``tasks`` and their chains read, as JSON lines."""
    for task in tasks:
        if task.kind not in FINE_TUNED_KINDS:
            continue
        for step in chain(task):
            for split in (step.train, step.dev):
                if split:
                    _write(root, step, split, step.train_language, rows)
        for language in languages_of(task):
            _write(root, task, task.test, language, rows)
    return root


def languages_of(task: Task) -> list[str]:
    """The languages of the row; of a task that takes what it finds, two."""
    if "xquad-without-hi" in task.oddities:
        return [*task.languages, "hi"]
    return list(task.languages) or [task.train_language, "fra_Latn" if "_" in task.train_language else "de"]


def _write(root: Path, task: Task, split: str, language: str, rows: int) -> None:
    path = root / task.hub / task.config_for(language) / f"{split}.jsonl"
    made = make_rows(task, rows, f"{split}-{language}", language)
    if task.language_from == "id_prefix":
        kept = path.read_text().splitlines() if path.is_file() else []
        old = [json.loads(line) for line in kept]
        made = [*(row for row in old if row["id"].split("-")[0] != task.configs[language]), *made]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in made), encoding="utf-8")


def _row(task: Task, number: int, source: random.Random, language: str) -> dict[str, Any]:
    row: dict[str, Any] = {"idx": number, "id": f"{task.configs.get(language, language)}-{number}"}
    if task.kind == "span":
        context = " ".join(sentence(source) for _ in range(3))
        answer = source.choice([word for word in context.split() if len(word) > 3])
        answers = {"text": [answer], "answer_start": [context.index(answer)]}
        return row | {
            "title": "t",
            "context": context,
            "question": f"which {sentence(source, 2, 4)}",
            "answers": answers,
        }
    if task.kind == "tagging":
        words = sentence(source).split()
        return row | {"tokens": words, task.label: [source.randrange(len(task.labels)) for _ in words]}
    if task.kind == "choice":
        row |= {
            "premise": sentence(source),
            "context": sentence(source),
            "question": source.choice(["cause", "effect"]),
        }
        row |= {column: sentence(source, 2, 4) for column in task.choices}
    row |= {column: sentence(source) for column in task.text}
    if not task.labels:
        return row | {task.label: source.uniform(0, 5)}
    label = source.randrange(len(task.labels))
    by_name = number % 2 == 1 or all(name.isdigit() for name in task.labels)
    return row | {task.label: task.labels[label] if by_name else label}


def write_flat_xquad(root: Path, languages: Iterable[str] = ("en", "de"), articles: int = 8) -> Path:
    """Files in XQuAD's layout: one question an article, the same articles in every language."""
    (root / "xquad").mkdir(parents=True, exist_ok=True)
    for language in languages:
        data = [
            {
                "title": f"title {n}",
                "paragraphs": [
                    {
                        "context": f"article {n} in {language}",
                        "qas": [
                            {"id": f"q{n}", "question": "what", "answers": [{"text": "article", "answer_start": 0}]}
                        ],
                    }
                ],
            }
            for n in range(articles)
        ]
        (root / "xquad" / f"xquad.{language}.json").write_text(json.dumps({"data": data}))
    return root
