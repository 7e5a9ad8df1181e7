"""``mmbert``: prepare text, plan, train the demo, merge, export, report."""

import sys
from collections.abc import Sequence

import typer
from typer.exceptions import TyperException

from mmbert_composer.cli import (
    demo,
    doctor,
    eval,
    export,
    import_model,
    init,
    merge,
    plan,
    prepare,
    registry,
    report,
    runs,
    tokenizer,
)
from mmbert_composer.errors import UserError
from mmbert_composer.runtime.cpu_threads import bound_spinning
from mmbert_composer.runtime.huge_pages import use_huge_pages

app = typer.Typer(
    name="mmbert",
    help="Train multilingual encoders the mmBERT way: text to blocks, a language-annealed run, a merged model.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    epilog="Training itself: composer [-n RANKS] train.py YAML [key=value ...]. Add --debug for tracebacks.",
)
app.command("demo")(demo.demo)
app.add_typer(tokenizer.app, name="tokenizer", help="Train a tokenizer, or grow one for a new language.")
app.add_typer(prepare.app, name="prepare", help="Turn text into blocks.")
app.command("plan")(plan.plan)
app.command("init")(init.init)
app.command("merge")(merge.merge)
app.command("export")(export.export)
app.command("import")(import_model.import_model)
app.add_typer(eval.app, name="eval")
app.command("report")(report.report)
app.add_typer(runs.app, name="runs", help="Runs and their checkpoints.")
app.command("doctor")(doctor.doctor)
app.command("registry")(registry.registry)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code: bad input is one line and 1, never a traceback without --debug."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in arguments
    bound_spinning()
    use_huge_pages()
    command = typer.main.get_command(app)
    try:
        result = command.main(
            args=[argument for argument in arguments if argument != "--debug"],
            prog_name="mmbert",
            standalone_mode=False,
        )
    except UserError as error:
        if debug:
            raise
        print(f"error: {error}", file=sys.stderr)
        return 1
    except typer.Exit as error:
        return error.exit_code
    except TyperException as error:
        error.show()  # pyright: ignore[reportAttributeAccessIssue]
        return 1
    except (typer.Abort, KeyboardInterrupt):
        print("stopped; run the same command again to go on", file=sys.stderr)
        return 130
    return result if isinstance(result, int) else 0


if __name__ == "__main__":
    sys.exit(main())
