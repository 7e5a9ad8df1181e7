"""The head of each fine-tuned kind."""

from collections.abc import Mapping

from mmbert_composer.evaluation.heads.choice import ChoiceHead
from mmbert_composer.evaluation.heads.head import Head
from mmbert_composer.evaluation.heads.sequence import SequenceHead
from mmbert_composer.evaluation.heads.span import SpanHead
from mmbert_composer.evaluation.heads.tagging import TaggingHead

HEADS: Mapping[str, Head] = {
    "sequence": SequenceHead(),
    "choice": ChoiceHead(),
    "tagging": TaggingHead(),
    "span": SpanHead(),
}
"""A kind's name to its head; all are tuned by one loop."""
