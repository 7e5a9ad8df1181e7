"""The one error type that users cause and can mend."""


class UserError(ValueError):
    """Bad input: the message says what is wrong, where, and what to do.

    Commands print it on one line and exit with code 1; the traceback is shown with ``--debug``.
    """
