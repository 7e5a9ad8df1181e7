"""The suite ``intrinsic``: no tuning, no labels; any text with its language will do."""

from mmbert_composer.evaluation.task import Hyperparameters, Task

_OURS = "this project: docs/evaluation.md, Intrinsic"

INTRINSIC = (
    Task(
        name="masked_loss",
        suite="intrinsic",
        kind="intrinsic",
        metric="nats_per_masked_token",
        description="held-out masked loss by language and script, mask ratio 0.15, masks keyed by text",
        source=_OURS,
        train=None,
        languages=(),
        hyperparameters=Hyperparameters(max_length=512),
    ),
    Task(
        name="verse_retrieval",
        suite="intrinsic",
        kind="intrinsic",
        metric="accuracy",
        description="top-1 retrieval of aligned verses against English, mean of both directions",
        source=_OURS,
        train=None,
        languages=(),
        hyperparameters=Hyperparameters(max_length=512),
    ),
    Task(
        name="language_id",
        suite="intrinsic",
        kind="intrinsic",
        metric="accuracy",
        description="language identification by a linear probe on mean-pooled embeddings",
        source=_OURS,
        train=None,
        languages=(),
        hyperparameters=Hyperparameters(max_length=128),
    ),
)
"""Rows of kind ``intrinsic``; the function behind each is in ``intrinsic/run_intrinsic.py``."""
