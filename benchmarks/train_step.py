"""A training step of ours beside transformers' ModernBERT: ratios by real tokens, memory, share of the floor, MFU.

``python -m benchmarks.train_step [--quick] [--case cpu-1024] [--rounds 6] [--bf16] [--profile] [--threads N]``

A step is forward, loss, backward and zero_grad, no optimizer. Same weights, documents and masks on both sides; loss and
every gradient are compared first, and a peer that disagrees is not timed against. What memory each side keeps:
``docs/performance.md``. The floor and what it counts:
``benchmarks.step.floor``; MFU: ``benchmarks.step.gpu``; sizes: ``benchmarks.step.cases``.
"""

import argparse
import os
from typing import Any

ROUNDS = 6


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """Run what this machine can and print it; returns what the JSON line says."""
    import torch

    from benchmarks.measure import Result, describe_machine, print_report
    from benchmarks.step import cases, cpu, gpu, profile

    options = _options().parse_args(argv)
    before = torch.get_num_threads()
    torch.set_num_threads(options.threads or before)
    machine = describe_machine()
    sizes = cases.QUICK if options.quick else cases.FULL
    rounds = options.rounds or (2 if options.quick else ROUNDS)
    results: list[Result] = []
    notes = ["--quick: a tiny model; the numbers mean nothing"] if options.quick else []
    for name in options.case or list(sizes):
        case = sizes[name]
        if isinstance(case, cases.GpuCase) and not torch.cuda.is_available():
            notes.append(f"{name} left out: no GPU here")
        elif options.profile:
            print(profile.profile_step(case, attention=options.attention, bf16=options.bf16))
        else:
            if isinstance(case, cases.GpuCase):
                rows, lines = gpu.run_case(case, rounds=rounds, attention=options.attention)
            else:
                rows, lines = cpu.run_case(case, rounds=rounds, attention=options.attention, bf16=options.bf16)
            results += rows
            notes += lines
    torch.set_num_threads(before)
    return print_report("train_step", machine, results, notes)


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("benchmarks.train_step", description="a training step beside transformers'")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, seconds: does everything run?")
    parser.add_argument(
        "--case",
        action="append",
        choices=["cpu-1024", "cpu-8192", "gpu-1024", "gpu-8192"],
        help="one case; may be repeated (all that this machine can run)",
    )
    parser.add_argument("--rounds", type=int, help=f"interleaved rounds of measuring ({ROUNDS}; 2 with --quick)")
    parser.add_argument("--attention", default="auto", help="our backend")
    parser.add_argument("--bf16", action="store_true", help="bf16 autocast on the CPU, in rows of their own")
    parser.add_argument("--profile", action="store_true", help="where the time of our step goes, instead of rows")
    parser.add_argument("--threads", type=int, help="of torch (all cores that the process may use)")
    return parser


if __name__ == "__main__":
    # All before torch is imported. Threads wait as they do in training; on a GPU contenders of different shapes take
    # turns, which leaves the allocator's blocks too small for the next one unless they can grow.
    from mmbert_composer.runtime.cpu_threads import bound_spinning
    from mmbert_composer.runtime.huge_pages import use_huge_pages

    bound_spinning()
    use_huge_pages()  # for the peers too
    os.environ.setdefault("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True")
    main()
