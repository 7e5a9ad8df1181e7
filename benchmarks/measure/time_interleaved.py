"""Timing several candidates so that whatever else the machine does falls on all of them alike."""

import gc
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Timing:
    """Seconds a unit of work of one candidate, one number a round."""

    seconds: list[float]
    cpu_seconds: list[float] = field(default_factory=list)
    """Of all threads of this process: what a machine that others use at the same time changes least."""

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def spread(self) -> tuple[float, float]:
        """Fastest and slowest round."""
        return min(self.seconds), max(self.seconds)

    def times(self, other: "Timing") -> float:
        """How many times slower this one is: the median over rounds of the ratio within a round."""
        return statistics.median(mine / theirs for mine, theirs in zip(self.seconds, other.seconds, strict=True))


def time_interleaved(
    candidates: Mapping[str, Callable[[int], float | None]],
    rounds: int,
    *,
    warm_up: int = 1,
    before: Mapping[str, Callable[[int], object]] | None = None,
) -> dict[str, Timing]:
    """Time A B C, A B C, ...: every candidate once a round, garbage collected before a round and never inside one.

    Args:
        candidates: name to a function of the round's number (0, 1, ...; the warm-up has the numbers of the first
            rounds) that does the work. It returns how many units of work that was (tokens, files), by which its
            seconds are divided; None is 1. What it returns must not hold the work's memory.
        rounds: of measuring.
        warm_up: rounds before, not counted.
        before: what some of them do first in each of their turns, not timed.

    Returns:
        Name to seconds a unit in each round. On a GPU the device is waited for at both ends.
    """
    timings = {name: Timing([]) for name in candidates}
    collects = gc.isenabled()
    gc.disable()
    try:
        for number in range(-warm_up, rounds):
            gc.collect()
            for name, call in candidates.items():
                index = number if number >= 0 else number + warm_up
                if before is not None and name in before:
                    before[name](index)
                _wait_for_device()
                start, cpu_start = time.perf_counter(), time.process_time()
                units = call(index)
                _wait_for_device()
                passed, cpu_passed = time.perf_counter() - start, time.process_time() - cpu_start
                if passed > 1:  # somebody waits and wants to see that it goes on
                    print(f"round {number + 1} of {rounds}: {name} {passed:.2f} s", file=sys.stderr, flush=True)
                if number >= 0:
                    timings[name].seconds.append(passed / (1.0 if units is None else units))
                    timings[name].cpu_seconds.append(cpu_passed / (1.0 if units is None else units))
    finally:
        if collects:
            gc.enable()
    return timings


def _wait_for_device() -> None:
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.synchronize()
