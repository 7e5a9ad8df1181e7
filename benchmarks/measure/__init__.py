"""What every benchmark shares: interleaved timing, peak memory, the machine, the table and the JSON line."""

from benchmarks.measure.machine import available_memory, describe_machine
from benchmarks.measure.peak_memory import peak_memory, resident_memory, trim_memory
from benchmarks.measure.report import Result, print_report, ratio_row
from benchmarks.measure.time_interleaved import Timing, time_interleaved

__all__ = [
    "Result",
    "Timing",
    "available_memory",
    "describe_machine",
    "peak_memory",
    "print_report",
    "ratio_row",
    "resident_memory",
    "time_interleaved",
    "trim_memory",
]
