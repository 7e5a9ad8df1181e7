"""Throughput of encoders, as the paper's figure has it: tokens a second at 512 and 8,192, fixed and varied lengths.

``python -m benchmarks.inference [--quick] [--setting 512-fixed] [--rounds 3] [--attention auto] [--threads N]``

Tokens are real tokens. mmBERT small and base run twice on the same weights: our packed forward, and transformers'
ModernBertModel (sdpa) on padded rows; their hidden states are compared first. XLM-R base, Multilingual MiniLM and
mDistilBERT (sdpa) take part at 512, which is all they can. fp32 on a CPU; on a GPU parameters and products are bf16.
Rows are padded to the longest of their batch, kinder to the padded models than the figure, which padded to the full
length. Figure and protocol: arXiv:2509.06888 and AnswerDotAI/ModernBERT, ``efficiency/``; its GPU is not named.
"""

import argparse
from typing import Any

ROUNDS = 3
VOCAB = 256_000


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """Measure and print; returns what the JSON line says."""
    import torch

    from benchmarks.measure import Result, describe_machine, print_report
    from benchmarks.step.cases import TINY
    from benchmarks.throughput.encoders import LEFT_OUT, MMBERT, mmbert, others
    from benchmarks.throughput.setting import run_setting

    options = _options().parse_args(argv)
    before = torch.get_num_threads()
    torch.set_num_threads(options.threads or before)
    machine = describe_machine()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    settings = {s.name: s for s in _settings(device, options.quick)}
    chosen = [settings[name] for name in options.setting or settings]
    vocab, shapes = (512, dict.fromkeys(MMBERT, TINY)) if options.quick else (VOCAB, MMBERT)
    encoders = mmbert(shapes, vocab, 8192, attention=options.attention, device=device)
    if any(setting.length <= 512 for setting in chosen):
        encoders |= others(device, tiny=options.quick)
    results: list[Result] = []
    notes = ["--quick: tiny models; the numbers mean nothing"] if options.quick else []
    for setting in chosen:
        ids = min(vocab, 16_000)  # as the figure drew them: inside the smallest vocabulary
        rows, lines = run_setting(setting, encoders, rounds=options.rounds, vocab_size=ids, device=device)
        results += rows
        notes += lines
    torch.set_num_threads(before)
    return print_report("inference", machine, results, [*notes, *LEFT_OUT])


def _settings(device: str, quick: bool) -> list[Any]:
    from benchmarks.throughput.setting import Setting

    if quick:
        return [
            Setting("512-fixed", 64, False, 2, 2),
            Setting("512-varied", 64, True, 3, 3),
            Setting("8192-fixed", 600, False, 1, 1),
            Setting("8192-varied", 600, True, 2, 2),
        ]
    short, long = ((512, 64), (64, 8)) if device == "cuda" else ((4, 4), (1, 1))
    return [
        Setting("512-fixed", 512, False, *short),
        Setting("512-varied", 512, True, 2 * short[0], 2 * short[1]),
        Setting("8192-fixed", 8192, False, *long),
        Setting("8192-varied", 8192, True, 2 * long[0], 2 * long[1]),
    ]


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("benchmarks.inference", description="tokens a second of encoders")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, seconds: does everything run?")
    names = ["512-fixed", "512-varied", "8192-fixed", "8192-varied"]
    parser.add_argument("--setting", action="append", choices=names, help="one setting; may be repeated (all)")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"interleaved rounds of measuring ({ROUNDS})")
    parser.add_argument("--attention", default="auto", help="our backend")
    parser.add_argument("--threads", type=int, help="of torch (all cores that the process may use)")
    return parser


if __name__ == "__main__":
    # As training does, for the peers too; before torch is imported.
    from mmbert_composer.runtime.cpu_threads import bound_spinning
    from mmbert_composer.runtime.huge_pages import use_huge_pages

    bound_spinning()
    use_huge_pages()
    main()
