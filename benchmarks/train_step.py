"""A training step of ours beside transformers' ModernBERT: ratios by real tokens, memory, share of the floor, MFU.

``python -m benchmarks.train_step [--quick] [--case 1024] [--rounds 8] [--bf16] [--profile] [--threads N]``

A step is forward, loss, backward and zero_grad, no optimizer. Same weights, documents and masks on both sides; loss and
every gradient are compared first, and a peer that disagrees is not timed against. The floor is that of
``benchmarks.step.floor``; CPU cases are in ``benchmarks.step.cases``, what the GPU runs in ``benchmarks.step.gpu``.
"""

import argparse
from typing import Any

ROUNDS = 8


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """Run what this machine can and print it; returns what the JSON line says."""
    import torch

    from benchmarks.measure import describe_machine, print_report
    from benchmarks.step import cases, cpu

    options = _options().parse_args(argv)
    before = torch.get_num_threads()
    torch.set_num_threads(options.threads or before)
    machine = describe_machine()
    chosen = cases.QUICK if options.quick else cases.FULL
    results, notes = [], ["--quick: a tiny model; the numbers mean nothing"] if options.quick else []
    rounds = options.rounds or (2 if options.quick else ROUNDS)
    for name in options.case or list(chosen):
        if options.profile:
            from benchmarks.step.profile import profile_step

            print(profile_step(chosen[name], attention=options.attention, bf16=options.bf16))
            continue
        rows, lines = cpu.run_case(chosen[name], rounds=rounds, attention=options.attention, bf16=options.bf16)
        results += rows
        notes += lines
    torch.set_num_threads(before)
    return print_report("train_step", machine, results, notes)


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("benchmarks.train_step", description="a training step beside transformers'")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, seconds: does everything run?")
    parser.add_argument("--case", action="append", choices=["1024", "8192"], help="one case; may be repeated")
    parser.add_argument("--rounds", type=int, help=f"interleaved rounds of measuring ({ROUNDS}; 2 with --quick)")
    parser.add_argument("--attention", default="auto", help="our backend")
    parser.add_argument("--bf16", action="store_true", help="bf16 autocast on the CPU, in rows of their own")
    parser.add_argument("--profile", action="store_true", help="where the time of our step goes, instead of rows")
    parser.add_argument("--threads", type=int, help="of torch (all cores that the process may use)")
    return parser


if __name__ == "__main__":
    from mmbert_composer.runtime.cpu_threads import wait_without_spinning

    wait_without_spinning()  # as training does; before torch is imported
    main()
