"""Search a folder of texts by meaning, in whatever languages they are.

python examples/search/search.py index examples/search/data --model runs/demo/run/merged --out town.npz
python examples/search/search.py query town.npz "When can I borrow books?"
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mmbert_composer.evaluation.bitext_scores import unit_rows
from mmbert_composer.evaluation.embed_texts import embed_texts
from mmbert_composer.evaluation.load_encoder import load_encoder


def passages_of(folder: Path) -> list[dict[str, str]]:
    """The paragraphs of every ``*.txt`` in ``folder``: blank lines are between them."""
    return [
        {"file": path.name, "text": text.strip()}
        for path in sorted(folder.rglob("*.txt"))
        for text in path.read_text(encoding="utf-8").split("\n\n")
        if text.strip()
    ]


def index(folder: Path, model: str, out: Path) -> int:
    """Write the passages with their vectors (and which model made them) into ``out``; how many there are."""
    passages = passages_of(folder)
    vectors = unit_rows(embed_texts(load_encoder(model), [passage["text"] for passage in passages]))
    np.savez_compressed(out, vectors=vectors, passages=json.dumps(passages), model=str(model))
    return len(passages)


def query(file: Path, text: str, top: int = 3) -> list[tuple[float, dict[str, str]]]:
    """The ``top`` passages nearest to ``text`` with their cosines, best first."""
    with np.load(file) as stored:
        vectors, passages, model = stored["vectors"], json.loads(str(stored["passages"])), str(stored["model"])
    cosines = vectors @ unit_rows(embed_texts(load_encoder(model), [text]))[0]
    return [(float(cosines[row]), passages[row]) for row in np.argsort(-cosines)[:top]]


def main(arguments: Sequence[str] | None = None) -> None:
    """The two commands."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    make = commands.add_parser("index", help="embed the passages of a folder")
    make.add_argument("folder", type=Path)
    make.add_argument("--model", required=True, help="an exported model, or a name on the hub")
    make.add_argument("--out", type=Path, default=Path("index.npz"))
    ask = commands.add_parser("query", help="find the passages nearest to a text")
    ask.add_argument("index", type=Path)
    ask.add_argument("text")
    ask.add_argument("--top", type=int, default=3)
    options = parser.parse_args(arguments)
    if options.command == "index":
        print(f"{options.out}: {index(options.folder, options.model, options.out)} passages")
        return
    for cosine, passage in query(options.index, options.text, options.top):
        print(f"{cosine:.3f}  {passage['file']}: {passage['text']}")


if __name__ == "__main__":
    main()
