"""Held-out results per stream, summed over ranks."""

from composer.core import State

from mmbert_composer.models.held_out_sums import HeldOutSums


def held_out_per_stream(state: State) -> dict[str, dict[str, tuple[float, int]]]:
    """Metric name to {stream: (mean, masked tokens)}, at EVAL_END, on every rank at once (it is collective)."""
    results: dict[str, dict[str, tuple[float, int]]] = {}
    for metrics in state.eval_metrics.values():
        for name, metric in metrics.items():
            if isinstance(metric, HeldOutSums):
                with metric.sync_context():
                    results[name] = metric.per_stream()
    return results
