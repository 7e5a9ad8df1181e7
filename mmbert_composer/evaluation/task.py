"""A task of a suite as a row: its data, labels, metric, head, hyper-parameters and what it starts from."""

from collections.abc import Mapping
from dataclasses import dataclass, field

FINE_TUNED_KINDS = ("sequence", "choice", "tagging", "span")
"""Kinds that the fine-tuning loop serves; the others bring a function of their own."""

KINDS = (*FINE_TUNED_KINDS, "bitext", "intrinsic", "retrieval")


@dataclass(frozen=True)
class Hyperparameters:
    """How one model is tuned: AdamW, linear decay to 0, the last weights are scored."""

    lr: float = 2e-5
    epochs: int = 3
    batch_size: int = 32
    """Examples a step; of multiple choice, questions."""
    warmup_ratio: float = 0.0
    """Share of the steps in which the learning rate rises from 0."""
    weight_decay: float = 0.0
    max_length: int = 128
    """Tokens; longer input is cut, of spans into windows."""
    stride: int = 0
    """Spans: tokens that a window shares with the one before it."""
    max_steps: int | None = None
    """In place of ``epochs``: an upper bound, reached only where the early stop does not come first."""
    warmup_steps: int | None = None
    """In place of ``warmup_ratio``."""
    eval_every: int | None = None
    """Steps between losses on the dev split; the weights of the lowest are kept. None: no dev split is looked at."""
    patience: int | None = None
    """Dev losses without a new lowest after which tuning stops."""


@dataclass(frozen=True)
class Task:
    """A row of a suite. Columns and labels are those of the dataset on the hub; a local folder has the same schema."""

    name: str
    suite: str
    kind: str
    """One of ``KINDS``: which head, which features, which scores."""
    metric: str
    """The headline figure: a key of what the kind's scorer returns."""
    description: str = ""
    source: str = ""
    """Where the values of this row come from."""

    hub: str = ""
    """``org/name`` on the Hugging Face hub, and the folder of that name under ``--data DIR``."""
    config: str = ""
    """The hub's config, and the folder below; ``{language}`` stands for the language."""
    configs: Mapping[str, str] = field(default_factory=dict)
    """Language to what stands in the place of ``{language}``, where that is not the language itself."""
    revision: str | None = None
    """Of the hub; ``~parquet`` is its own conversion of a dataset that has a loading script."""
    language_from: str = "config"
    """``config``: one config a language; ``id_prefix``: rows of all languages together, ``english-...`` in the id."""
    flat: str | None = None
    """``sib200`` or ``xquad``: which files of a flat data folder also serve."""

    train: str | None = "train"
    """The split to tune on; None: nothing is tuned but ``init_from``."""
    dev: str | None = None
    test: str = "validation"
    """The split that is scored."""

    text: tuple[str, ...] = ()
    """Columns of the text: one or a pair; of choices, see ``prompt``."""
    prompt: str = ""
    """Choices: the first half of each pair, with columns in braces."""
    choices: tuple[str, ...] = ()
    """Choices: the columns of the second halves."""
    label: str = "label"
    labels: tuple[str, ...] = ()
    """Names in the order of their numbers; rows may hold either. Empty: a number to predict, or spans."""

    languages: tuple[str, ...] = ("en",)
    train_language: str = "en"
    init_from: str | None = None
    """The task whose tuned weights it starts from, with a new head where the labels differ."""
    hyperparameters: Hyperparameters = Hyperparameters()
    seeds: tuple[int, ...] = (42,)
    bootstrap: bool = False
    """Whether every seed draws its own train, dev and test rows with replacement."""
    oddities: tuple[str, ...] = ()
    """Names of what the paper did oddly here (``oddities.py``); each can be mended by option."""
    benchmark: str = ""
    """Retrieval: the name of the benchmark in ``mteb``."""
    note: str | None = None
    """What a reader of the score has to know; it is stored with the result."""

    def config_for(self, language: str) -> str:
        """The hub's config that holds ``language``."""
        return self.config.format(language=self.configs.get(language, language))
