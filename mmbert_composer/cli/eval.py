"""``mmbert eval``: run tasks on a model, list them, compare results."""

from pathlib import Path
from typing import Annotated

import typer

from mmbert_composer.cli.eval_compare import compare
from mmbert_composer.cli.eval_contamination import contamination

app = typer.Typer(no_args_is_help=True, help="Evaluate encoders: tuned, zero-shot and as they are; compare models.")
app.command("compare")(compare)
app.command("contamination")(contamination)

EPILOG = (
    "Examples: mmbert eval run runs/my/hf --suite sib200,xquad --data DATA --out results  |  "
    "mmbert eval run xlm-r --suite glue --out results  |  "
    "mmbert eval run runs/my/hf --tasks wikiann --word-join space --languages en,th --out results"
)


@app.command("run", epilog=EPILOG)
def run(
    model: Annotated[
        str,
        typer.Argument(
            help="A folder of any transformers encoder (RUN/hf, a merge, an export), org/name on the hub, or a known "
            "name: mmbert-base, mmbert-small, xlm-r, mbert, mdistilbert, minilm, mgte, modernbert-base, eurobert-210m."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Results: OUT/MODEL/TASK.json. A rerun skips what is done.")],
    suite: Annotated[
        str | None, typer.Option(metavar="A,B", help="Suites: glue, xtreme, sib200, ... (mmbert eval list).")
    ] = None,
    tasks: Annotated[str | None, typer.Option(metavar="A,B", help="These tasks alone.")] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Read datasets from DATA/ORG/NAME/CONFIG/SPLIT.jsonl or .parquet, or from flat files "
            "(sib200*.jsonl.gz, tatoeba/, xquad/); without it from the Hugging Face hub or its cache."
        ),
    ] = None,
    protocol: Annotated[
        str,
        typer.Option(
            help="default: the published scripts' hyper-parameters. swept: the best of 7 learning rates x 5 epochs, "
            "chosen on the scored split as in the paper: an oracle, 35 times the work."
        ),
    ] = "default",
    seeds: Annotated[
        str | None, typer.Option(metavar="1,2", help="Tune once with each; mean and spread are stored.")
    ] = None,
    languages: Annotated[str | None, typer.Option(metavar="A,B", help="Score these languages alone.")] = None,
    word_join: Annotated[
        str,
        typer.Option(
            help="WikiANN, UD-POS: split tokenizes word by word as the paper does; space joins the words, which is "
            "what a Gemma-like tokenizer was trained on."
        ),
    ] = "split",
    mend: Annotated[
        str | None,
        typer.Option(metavar="A,B", help="Do not reproduce these oddities of the paper (mmbert eval list --oddities)."),
    ] = None,
    lr: Annotated[
        str | None, typer.Option(metavar="2e-5", help="In place of the task's; with swept the grid, as 2e-5,5e-5.")
    ] = None,
    epochs: Annotated[
        str | None, typer.Option(metavar="3", help="In place of the task's; with swept the grid, as 1,3.")
    ] = None,
    max_length: Annotated[int | None, typer.Option(min=16, help="No task gets longer input, in tokens.")] = None,
    max_train_examples: Annotated[
        int | None, typer.Option(min=1, help="Tune on so many rows, drawn once: to try things out.")
    ] = None,
    mteb_tasks: Annotated[str | None, typer.Option(metavar="A,B", help="Of the benchmarks these tasks alone.")] = None,
    trained_on: Annotated[
        Path | None,
        typer.Option(help="intrinsic: the prepared data that the model was trained on, to say what is held out."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="What to call the model in the results.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu or cuda.  [default: a GPU if there is one]")] = None,
    precision: Annotated[str, typer.Option(help="fp32 as in the paper, or bf16.")] = "fp32",
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="Run a model's own code from the hub: mgte, eurobert.")
    ] = False,
) -> None:
    """Tune and score a model on suites of tasks.

    Everything is checked before anything is trained: splits, columns, labels, tokenizer, lengths. Then the time is
    estimated. Cross-lingual tasks are tuned on English and scored on every language.
    """
    from mmbert_composer.errors import UserError

    if word_join not in ("split", "space"):
        raise UserError(f"--word-join {word_join}: known are split, space")
    if precision not in ("fp32", "bf16"):
        raise UserError(f"--precision {precision}: known are fp32, bf16")
    chosen_seeds = tuple(map(int, _numbers(seeds, int, "--seeds")))
    chosen_epochs = tuple(map(int, _numbers(epochs, int, "--epochs")))
    chosen_lrs = tuple(_numbers(lr, float, "--lr"))

    # What can be refused without these has been.
    from mmbert_composer.evaluation.all_tasks import choose_tasks

    chosen = choose_tasks(_names(suite), _names(tasks))

    from mmbert_composer.evaluation.baselines import find_model

    folder, known_as = find_model(model, trust_remote_code)
    known_as = name or known_as

    from mmbert_composer.evaluation.find_device import find_device
    from mmbert_composer.evaluation.run_suite import run_suite
    from mmbert_composer.evaluation.settings import Settings

    settings = Settings(
        folder=out / known_as,
        tasks=chosen,
        seeds=chosen_seeds or None,
        languages=_names(languages) or None,
        protocol=protocol,
        lrs=chosen_lrs,
        epochs=chosen_epochs,
        max_length=max_length,
        max_train_examples=max_train_examples,
        word_join=word_join,
        mend=frozenset(_names(mend)),
        benchmark_tasks=_names(mteb_tasks),
        trained_on=trained_on,
        device=find_device(device),
        precision=precision,
        trust_remote_code=trust_remote_code,
        say=typer.echo,
    )
    done = run_suite(folder, known_as, data, settings)
    typer.echo("")
    for result in done.results:
        spread = "" if result.spread is None else f" +- {result.spread:.2f}"
        again = "  (done before)" if result.task in done.skipped else ""
        typer.echo(f"{result.task:<20} {result.metric:<14} {result.score:7.2f}{spread}{again}")
        if result.note:
            typer.echo(f"{'':<20} {result.note}")
    for line in _contamination(folder, trained_on, data):
        typer.echo(line)
    typer.echo(f"{settings.folder}; mmbert eval compare {settings.folder} shows it beside published scores")


@app.command("list")
def list_tasks(
    suite: Annotated[str | None, typer.Option(metavar="A,B", help="These suites alone.")] = None,
    oddities: Annotated[
        bool, typer.Option("--oddities", help="What the paper does oddly, and how --mend changes it.")
    ] = False,
) -> None:
    """List suites, their tasks, the data that they read, and known models."""
    from mmbert_composer.evaluation.all_tasks import SUITES, choose_tasks
    from mmbert_composer.evaluation.baselines import BASELINES
    from mmbert_composer.evaluation.oddities import ODDITIES

    if oddities:
        for oddity, what in ODDITIES.items():
            typer.echo(f"{oddity:<24} {what}")
        return
    chosen = _names(suite) or SUITES
    choose_tasks(chosen)
    for each in chosen:
        typer.echo(each)
        for task in choose_tasks([each]):
            typer.echo(f"  {task.name:<24} {task.description}")
            start = f", after {task.init_from}" if task.init_from else ""
            from_where = f"{task.hub} {task.config}".strip() or "--data"
            typer.echo(f"  {'':<24} {task.kind}, {task.metric}{start}; {from_where}")
    if suite is None:
        typer.echo("models")
        for known, baseline in BASELINES.items():
            typer.echo(f"  {known:<24} {baseline.description}: {baseline.hub}")


def _contamination(model: Path, trained_on: Path | None, data: Path | None) -> list[str]:
    """What of the data in the folder the model was trained on, where its training text is known."""
    from mmbert_composer.data.manifest import MANIFEST_NAME
    from mmbert_composer.evaluation.contamination import contamination_note, find_contamination
    from mmbert_composer.evaluation.training_texts import known_training_texts

    known = known_training_texts(model, trained_on)
    if known is None or data is None or not data.is_dir() or (data / MANIFEST_NAME).is_file():
        return []
    return contamination_note(find_contamination(known, data)[0])


def _names(text: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


def _numbers(text: str | None, kind: type, option: str) -> list[float]:
    from mmbert_composer.errors import UserError

    try:
        values = [kind(part) for part in _names(text)]
    except ValueError:
        raise UserError(f"{option} {text}: numbers with commas between them are expected, as 1,2") from None
    if any(value < 0 for value in values) or (option != "--seeds" and 0 in values):
        raise UserError(f"{option} {text}: positive numbers are expected")
    return values
