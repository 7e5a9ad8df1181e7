"""``composer train.py yamls/NAME.yaml [key=value ...]``: train, then merge, export and report."""

import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from mmbert_composer.errors import UserError
from mmbert_composer.runtime.cpu_threads import bound_spinning
from mmbert_composer.runtime.huge_pages import use_huge_pages
from mmbert_composer.runtime.launcher_watch import end_with_launcher
from mmbert_composer.runtime.stop_signals import StoppedError, StopSignals, leave_undisturbed

log = logging.getLogger("mmbert_composer")

USAGE = """usage: composer [-n RANKS] train.py YAML [key=value ...] [--debug]

Trains the run that YAML describes. key=value sets any key, list items too:
  composer train.py yamls/demo.yaml save_folder=runs/mine curriculum.phases.0.mask_ratio=0.2
The same command continues a run that was stopped (exit code 75, or 130 after Ctrl-C). --debug shows tracebacks."""


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of train.py; the exit code: 0, 1 for an error, 75 or 130 for a run that was stopped and can go on."""
    if argv is not None:
        return _main(list(argv))
    end_with_launcher()
    try:
        return _main(sys.argv[1:])
    finally:
        leave_undisturbed()


def _main(arguments: list[str]) -> int:
    debug = "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"]
    if not arguments or arguments[0] in ("-h", "--help"):
        print(USAGE)
        return 0 if arguments else 1
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s: %(message)s", datefmt="%H:%M:%S")
    log.setLevel(logging.DEBUG if debug else logging.INFO)
    try:
        train(arguments[0], arguments[1:])
    except UserError as error:
        if debug:
            raise
        print(f"error: {error}", file=sys.stderr)
        return 1
    except StoppedError as stopped:
        return stopped.exit_code
    return 0


def train(yaml: str | Path, overrides: Sequence[str] = ()) -> Path:
    """Run a YAML to its end and return the run folder; a finished run does what is missing of it.

    Raises:
        UserError: bad settings or data, before anything is written.
        StoppedError: SIGTERM, SIGUSR1 or Ctrl-C; a run that trained has finished its step and saved.
    """
    with StopSignals() as signals:
        return _train(yaml, overrides, signals)


def _train(yaml: str | Path, overrides: Sequence[str], signals: StopSignals) -> Path:
    bound_spinning()
    use_huge_pages()
    from mmbert_composer.config import load_yaml, parse_run_config

    config = parse_run_config(load_yaml(yaml, overrides))
    if config.data.root is None:
        raise UserError(f"{yaml}: data.root is missing; set data.root=FOLDER, as written by mmbert prepare run")
    if config.save_folder is None:
        raise UserError(f"{yaml}: save_folder is missing; set save_folder=runs/NAME")

    from mmbert_composer.builders.run import run

    signals.install()  # Composer, imported above, has taken two of them
    return run(config, signals)
