"""Which documents are measured, and what is known of whether the model was trained on them."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmbert_composer.evaluation.intrinsic.held_out_blocks import held_out_documents, is_prepared
from mmbert_composer.evaluation.intrinsic.text_documents import (
    TextDocument,
    read_documents,
    sample_by_stream,
    text_files,
)
from mmbert_composer.evaluation.training_texts import TrainingTexts, known_training_texts


@dataclass(frozen=True)
class Known:
    """What is known of the model's training text; ``texts`` None: nothing, ``prepared``: the data says what is out."""

    texts: TrainingTexts | None
    prepared: bool = False

    @staticmethod
    def of(model: Path, data: Path, trained_on: Path | None) -> "Known":
        """By ``trained_on``, by the model's run folder, or by the data itself."""
        return Known(known_training_texts(model, trained_on), is_prepared(data))

    def trained(self, documents: Sequence[TextDocument]) -> int | None:
        """How many of ``documents`` were trained on; None: not known."""
        if self.texts is not None:
            return int(self.texts.trained([document.hash for document in documents]).sum())
        return 0 if self.prepared else None

    def note(self, documents: int, trained: int | None) -> str:
        """What a reader of the score has to know."""
        if trained is None:
            return "not known whether it was held out: the run's data is not here (--trained-on DATA names it)"
        if trained:
            return f"not held out: {trained:,} of {documents:,} documents were trained on"
        return "held out"


def all_documents(data: Path, languages: Collection[str] | None, also: Iterable[str] = ()) -> Iterator[TextDocument]:
    """Documents of a folder (or file) of JSON lines, or the held-out text of prepared data; ``languages`` None: all.

    ``also``: languages that are needed whatever was asked for.
    """
    documents = held_out_documents(data) if is_prepared(data) else read_documents(text_files(data))
    wanted = {*languages, *also} if languages else None
    return (document for document in documents if wanted is None or document.language in wanted)


def held_out_first(documents: Iterable[TextDocument], most: int, known: Known) -> list[TextDocument]:
    """At most ``most`` documents of each stream, of those that were not trained on; where a stream has no other, of all.

    Always the ones of lowest hash.
    """
    documents = list(documents)
    if known.texts is None:
        return [document for group in sample_by_stream(documents, most).values() for document in group]
    is_trained = known.texts.trained([document.hash for document in documents])
    fresh = sample_by_stream((d for d, seen in zip(documents, is_trained, strict=True) if not seen), most)
    others = sample_by_stream((d for d in documents if d.stream not in fresh), most)
    return [document for _, group in sorted({**fresh, **others}.items()) for document in group]
