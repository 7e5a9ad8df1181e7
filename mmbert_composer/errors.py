"""The one error type that users cause and can mend."""

from collections.abc import Iterable
from difflib import get_close_matches


class UserError(ValueError):
    """Bad input: the message says what is wrong, where, and what to do.

    Commands print it on one line and exit with code 1; the traceback is shown with ``--debug``.
    """


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """``did you mean lr?``, or where nothing known is near ``known are lr, eps``: the end of an error's message."""
    names = sorted(known)
    near = get_close_matches(str(word), names, n=1)
    return f"did you mean {near[0]}?" if near else f"known are {', '.join(names) or 'none'}"
