"""Which scores a comparison shows."""

from collections.abc import Sequence

from mmbert_composer.errors import UserError, did_you_mean
from mmbert_composer.evaluation.published import published_scores
from mmbert_composer.evaluation.score_row import ScoreRow


def select_scores(measured: Sequence[ScoreRow], suites: Sequence[str] | None, published: bool) -> list[ScoreRow]:
    """What was measured, then what is published of the same suites; all that is published where nothing was measured.

    ``suites``: these alone. Raises UserError for a suite that nobody has a score of.
    """
    others = list(published_scores()) if published else []
    known = {row.suite for row in [*measured, *others]}
    for suite in suites or ():
        if suite not in known:
            raise UserError(f"no scores of a suite {suite!r}: {did_you_mean(suite, known)}")
    wanted = set(suites) if suites else ({row.suite for row in measured} or known)
    chosen = [row for row in [*measured, *others] if row.suite in wanted]
    if not chosen:
        raise UserError("nothing to compare: name folders of results, or leave out --no-published")
    return chosen
