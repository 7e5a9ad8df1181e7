"""What the benchmarks share: whose time is counted, what a ratio says, what a row and a peak look like."""

import json

import pytest

from benchmarks.measure import Result, Timing, describe_machine, peak_memory, print_report, ratio_row, time_interleaved


def test_candidates_take_turns_and_seconds_are_those_of_a_unit():
    order = []

    def work(name, units):
        def call(number):
            order.append((name, number))
            return units

        return call

    timings = time_interleaved({"a": work("a", None), "b": work("b", 1e9)}, rounds=2)
    assert order == [("a", 0), ("b", 0), ("a", 0), ("b", 0), ("a", 1), ("b", 1)]  # the first pair warms up
    assert [len(timing.seconds) for timing in timings.values()] == [2, 2]
    assert max(timings["b"].seconds) < min(timings["a"].seconds)  # the same work, said to be a billion units


def test_a_ratio_is_the_median_of_the_rounds_own_ratios():
    ours, peer = Timing([1.0, 10.0, 1.0]), Timing([2.0, 30.0, 8.0])  # 2, 3 and 8 times as slow
    assert peer.times(ours) == 3.0
    assert (ours.median, ours.spread) == (1.0, (1.0, 10.0))
    row = ratio_row("case-vs-best", ours, peer, "ms", scale=1e3)
    assert row == Result("case-vs-best", 3.0, "x", 1000.0, 8000.0, "ms")


def test_peak_memory_sees_what_was_freed_again():
    quiet = peak_memory(lambda: None)
    if quiet is None:
        pytest.skip("this system keeps no high-water mark that can be reset")
    peak = peak_memory(lambda: bytearray(200_000_000))
    assert peak is not None
    assert 190e6 < peak - quiet < 260e6


def test_the_last_line_is_the_contracts_json(capsys):
    rows = [Result("a-vs-b", 1.5, "x", 2.0, 3.0, "ms [of a step]"), Result("a-tokens", 12_345.6, "tok/s")]
    report = print_report("train_step", describe_machine(), rows, ["gpu left out: no GPU here"])
    printed = capsys.readouterr().out
    assert "ms [of a step]" in printed
    assert "- gpu left out: no GPU here" in printed
    line = json.loads(printed.splitlines()[-1])
    assert line == report
    assert list(line) == ["benchmark", "machine", "results"]
    assert line["results"][1] == {
        "name": "a-tokens",
        "value": 12_345.6,
        "unit": "tok/s",
        "ours": None,
        "peer": None,
        "note": "",
    }
    assert {"cpu", "cores", "load", "python", "torch"} <= set(line["machine"])


def test_a_number_that_is_none_never_reaches_the_report():
    with pytest.raises(AssertionError, match="a-vs-b"):
        print_report("train_step", {}, [Result("a-vs-b", float("nan"), "x")])
