"""During training: held-out loss by group of languages, and translations found among aligned texts."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from composer.core import Callback, Event, State
from composer.core.precision import get_precision_context
from composer.loggers import Logger
from composer.utils import create_interval_scheduler

from mmbert_composer.callbacks.stream_groups import GROUPS, check_groups, group_means, groups_of
from mmbert_composer.callbacks.train_loader import bare_model, train_loader
from mmbert_composer.curriculum.interval import parse_interval
from mmbert_composer.data.held_out_loader import HeldOutLoader
from mmbert_composer.data.text_encoder import TextEncoder
from mmbert_composer.errors import UserError
from mmbert_composer.evaluation.bitext_scores import retrieval_accuracy
from mmbert_composer.evaluation.embed_packed import embed_packed, encode_sequences
from mmbert_composer.evaluation.intrinsic.aligned_texts import read_bitexts
from mmbert_composer.evaluation.intrinsic.held_out_blocks import stream_scripts
from mmbert_composer.models.held_out_loss import HeldOutLoss
from mmbert_composer.models.modernbert_mlm import ModernBertMLM
from mmbert_composer.runtime.run_events import log_event

MAX_LENGTH = 128


class IntrinsicEval(Callback):
    """Measures the model in training as it is, without tuning, and leaves its training as it was.

    The held-out blocks are those of the run's own evaluation, dealt to the ranks; every rank finds the translations,
    which takes it no longer than waiting for one that does. Nothing random is drawn: a run with this callback has the
    same steps as one without.

    Args:
        interval: how often: ``500ba`` or ``100_000_000tok``; also at the end of training.
        data: aligned texts: a folder with Tatoeba's pairs of files (``tatoeba.AAA-eng.{AAA,eng}``, in it or in its
            ``tatoeba/``), or JSON lines whose documents have ``verses``, on every node. None: no bitext.
        pairs: aligned texts of a language, at most.
        groups: which of ``joined``, ``script``, ``size`` the held-out loss is given by.
        blocks_per_stream: held-out blocks of each stream, for a Trainer without the run's own evaluation.

    Raises:
        UserError: data without aligned texts, an unknown group or interval, a model that is not ``ModernBertMLM``.

    | key | value |
    | --- | --- |
    | ``intrinsic/held_out_loss/joined/<phase>`` | nats a masked token, mean over the streams that join in that phase |
    | ``intrinsic/held_out_loss/script/<script>`` | the same of the streams written in a script |
    | ``intrinsic/held_out_loss/size/largest`` | the same of the third of the streams with most training tokens |
    | ``intrinsic/held_out_loss/size/middle`` | of the next third |
    | ``intrinsic/held_out_loss/size/smallest`` | of the last third |
    | ``intrinsic/bitext_accuracy/<language>`` | top-1 by cosine, mean of both directions, in [0, 1] |
    | ``intrinsic/bitext_accuracy`` | mean over the languages |
    | ``intrinsic/seconds`` | what it took |

    ``metrics.jsonl`` gets the same as ``{"event": "intrinsic", "batch", "token", "held_out_loss": {kind: {group:
    loss}}, "bitext_accuracy": {language: share}, "seconds"}``.
    """

    def __init__(
        self,
        interval: str = "500ba",
        data: str | Path | None = None,
        pairs: int = 200,
        groups: Sequence[str] = GROUPS,
        blocks_per_stream: int = 4,
    ) -> None:
        interval = parse_interval(interval, "intrinsic_eval: interval")
        self._is_due = create_interval_scheduler(interval, checkpoint_events=False)
        self.kinds = check_groups(groups, "intrinsic_eval: groups")
        if not isinstance(pairs, int) or pairs < 2:
            raise UserError(f"intrinsic_eval: pairs={pairs!r} must be 2 or more")
        self.bitexts = [] if data is None else read_bitexts(Path(data), pairs)
        self.blocks_per_stream = blocks_per_stream
        self.groups: dict[str, dict[str, str]] = {}
        """Kind to {stream: its group}."""
        self._held_out: HeldOutLoader | None = None
        self._sequences: list[tuple[str, list[Any], list[Any]]] = []

    def fit_start(self, state: State, logger: Logger) -> None:
        dataset = train_loader(state, "intrinsic_eval").dataset
        model = bare_model(state)
        if not isinstance(model, ModernBertMLM):
            raise UserError(f"callback intrinsic_eval: it measures a ModernBertMLM; this is a {type(model).__name__}")
        manifest, plan = dataset.manifest, dataset.plan
        self._held_out = _held_out_of(state) or HeldOutLoader(
            manifest.root,
            list(plan.streams),
            batch_size=dataset.batch_size or 1,
            blocks_per_stream=self.blocks_per_stream,
        )
        streams = self._held_out.streams
        tokens = {name: entry.tokens for name, entry in manifest.streams.items()}
        self.groups = groups_of(self.kinds, streams, plan, tokens, lambda: stream_scripts(manifest.root, streams))
        encoder = TextEncoder(manifest.root / "tokenizer")
        length = min(MAX_LENGTH, manifest.block_size)
        self._sequences = [
            (b.language, encode_sequences(encoder, b.source, length), encode_sequences(encoder, b.target, length))
            for b in self.bitexts
        ]

    def batch_end(self, state: State, logger: Logger) -> None:
        assert state.max_duration is not None
        if self._is_due(state, Event.BATCH_END) or state.timestamp >= state.max_duration:
            self._measure(state, logger)

    def _measure(self, state: State, logger: Logger) -> None:
        start = time.monotonic()
        model = bare_model(state)
        assert isinstance(model, ModernBertMLM)
        was_training = model.training
        model.eval()
        try:
            with torch.no_grad(), get_precision_context(state.precision, state.precision_config):
                losses = self._held_out_losses(state, model)
                accuracy = {
                    language: retrieval_accuracy(embed_packed(model, source), embed_packed(model, target))
                    for language, source, target in self._sequences
                }
        finally:
            model.train(was_training)
        by_kind = {kind: group_means(losses, group_of) for kind, group_of in self.groups.items()}
        metrics = {
            f"intrinsic/held_out_loss/{kind}/{group}": loss
            for kind, means in by_kind.items()
            for group, loss in means.items()
        }
        metrics |= {f"intrinsic/bitext_accuracy/{language}": share for language, share in accuracy.items()}
        if accuracy:
            metrics["intrinsic/bitext_accuracy"] = sum(accuracy.values()) / len(accuracy)
        seconds = time.monotonic() - start
        logger.log_metrics({**metrics, "intrinsic/seconds": seconds})
        log_event(logger, "intrinsic", state, held_out_loss=by_kind, bitext_accuracy=accuracy, seconds=seconds)

    def _held_out_losses(self, state: State, model: ModernBertMLM) -> dict[str, float]:
        """Stream to its mean loss; every rank reads its part, and all get the sums."""
        assert self._held_out is not None
        metric = state.device.module_to_device(HeldOutLoss(self._held_out.streams))
        for batch in self._held_out:
            moved = state.device.batch_to_device(batch)
            metric.update(moved, model.eval_forward(moved))
        with metric.sync_context():
            return {name: mean for name, (mean, _) in metric.per_stream().items()}


def _held_out_of(state: State) -> HeldOutLoader | None:
    """The loader of the run's own held-out evaluation, if it has one."""
    for evaluator in state.evaluators:
        loader = getattr(evaluator.dataloader, "dataloader", evaluator.dataloader)
        if isinstance(loader, HeldOutLoader):
            return loader
    return None
