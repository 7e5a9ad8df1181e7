"""A run's YAML: whether it says a run, and whether that run fits its data and this machine."""

from collections.abc import Sequence
from pathlib import Path

from mmbert_composer.config import RunConfig, load_yaml, parse_run_config
from mmbert_composer.curriculum.tokens import format_tokens
from mmbert_composer.doctor.disk import check_disk
from mmbert_composer.doctor.finding import Finding, ok, problem
from mmbert_composer.errors import UserError
from mmbert_composer.planning import plan_run

CHECK = "settings"


def read_settings(yaml: Path, overrides: Sequence[str]) -> tuple[RunConfig | None, Finding]:
    """The settings, or None with what is wrong with them."""
    try:
        config = parse_run_config(load_yaml(yaml, overrides))
    except UserError as error:
        return None, problem(CHECK, str(error), f"correct {yaml}, or the key=value")
    return config, ok(CHECK, f"{yaml}: {len(config.curriculum.phases)} phases, all keys known")


def check_plan(config: RunConfig) -> list[Finding]:
    """Whether the plan can be made from the data, and whether its checkpoints fit on the disk."""
    try:
        plan = plan_run(config)
    except UserError as error:
        return [problem(CHECK, str(error), "change the curriculum, or prepare more text")]
    total = f"{format_tokens(plan.total_tokens)} tokens in {plan.steps:,} steps"
    return [ok(CHECK, f"the plan: {total}"), check_disk(config, plan)]
