"""The interface of a kind of task to the one fine-tuning loop. Shapes: B features, L tokens."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mmbert_composer.evaluation.settings import Settings
from mmbert_composer.evaluation.task import Hyperparameters, Task

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Feature:
    """What the model reads for (a part of) a row."""

    inputs: Mapping[str, NDArray[np.int32]]
    """The tokenizer's outputs, each [L]; of choices those of the longest."""
    label: Any = None
    """What the loss needs: an int, a float, tags int [L], or (start, end)."""
    row: int = 0
    """The row's number in its list."""
    info: Mapping[str, Any] = field(default_factory=dict)
    """What scoring needs beside the outputs."""
    choices: Sequence[Mapping[str, NDArray[np.int32]]] = ()
    """Multiple choice: the inputs of every choice."""

    @property
    def length(self) -> int:
        """Tokens that it is padded from."""
        return len(self.inputs["input_ids"])


@dataclass(frozen=True)
class Encoding:
    """Everything that turns a row into features, the same for training and scoring."""

    task: Task
    tokenizer: Any
    hyperparameters: Hyperparameters
    settings: Settings
    accepted: Sequence[str] = ("input_ids", "attention_mask")
    """Outputs of the tokenizer that the model takes."""


class Head(Protocol):
    """One kind of task."""

    auto_model: str
    """The class of transformers that brings the head."""

    def columns(self, task: Task) -> tuple[str, ...]:
        """Columns that every row must have."""
        ...

    def check_row(self, task: Task, row: Row, where: str) -> None:
        """Raise UserError for a row that cannot be tuned on or scored."""
        ...

    def model_options(self, task: Task) -> dict[str, Any]:
        """Arguments of ``from_pretrained`` that shape the head."""
        ...

    def encode(self, rows: Sequence[Row], encoding: Encoding, *, train: bool) -> list[Feature]:
        """Features of rows, those of a row in order."""
        ...

    def labels(self, features: Sequence[Feature], length: int) -> dict[str, NDArray[Any]]:
        """The arguments of the model's forward that make it return a loss, padded to ``length`` tokens."""
        ...

    def keep(self, outputs: Any, features: Sequence[Feature]) -> list[Any]:
        """What of a batch's outputs the scores need, one for each feature."""
        ...

    def score(
        self,
        rows: Sequence[Row],
        features: Sequence[Feature],
        kept: Sequence[Any],
        task: Task,
        how: Settings,
        language: str,
    ) -> dict[str, float]:
        """Metrics by name, 0 to 100."""
        ...
