"""What mmBERT's published counts say about the corpus: they count tokens served, after sampling."""

from collections.abc import Mapping

import numpy as np

PHASES = ("pretrain", "ext", "decay-eng", "decay-mid", "decay-all")
"""Columns of the published table; decay-mid is Decay-Cont."""

NOT_FINEWEB2 = ("eng", "code")
"""Rows that FineWeb2 has no part of."""

TAU = {"pretrain": 0.7, "ext": 0.5}
"""Of the phases that follow p_i ~ n_i ** tau closely: between the two the log-slope is 0.707, by the law 0.714."""


def corpus_tokens(served: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    """Language to an estimate of n_i, the tokens that FineWeb2 has of it.

    The table counts what each phase served, over all sources. Served is proportional to n_i ** tau, so n_i to
    served ** (1 / tau): 4 times as many tokens served at tau 0.5 mean 16 times as much text. Languages of pretraining
    are undone with 0.7. Those that join in ext are undone with 0.5 and put on the same scale by the languages that both
    phases have (the median). The scale itself is the least at which pretraining repeated no language: its 2.0T tokens
    are unique. Languages that join in decay count with what was served: it is all that is known, and
    Decay-All follows no tau (0.43 fits best, with scatter).

    Shares of pretraining are given back exactly by it, those of ext nearly; sizes are rough: MegaWika's part is in
    the counts and cannot be told apart.
    """
    rows = {language: counts for language, counts in served.items() if language not in NOT_FINEWEB2}
    logs = {
        phase: {language: np.log(counts[phase]) / tau for language, counts in rows.items() if counts[phase] > 0}
        for phase, tau in TAU.items()
    }
    first, second = logs["pretrain"], logs["ext"]
    both = first.keys() & second.keys()
    shift = float(np.median([first[language] - second[language] for language in both])) if both else 0.0
    joined = {language: value + shift for language, value in second.items()} | first
    scale = max((float(np.log(rows[language]["pretrain"]) - first[language]) for language in first), default=0.0)
    return {
        language: round(np.exp(joined[language] + scale)) if language in joined else max(counts.values())
        for language, counts in rows.items()
    }
