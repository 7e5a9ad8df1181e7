"""Whose DATA is: a job begins there, goes on, was finished before, or is refused."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from mmbert_composer.data.atomic_write import write_text
from mmbert_composer.data.manifest import MANIFEST_NAME, load_manifest
from mmbert_composer.data.preparing.finish_job import sweep
from mmbert_composer.data.preparing.job_plan import JobPlan, load_plan
from mmbert_composer.data.preparing.plan_differences import plan_differences
from mmbert_composer.data.preparing.route_task import DONE_NAME
from mmbert_composer.data.preparing.work_folder import WorkFolder
from mmbert_composer.errors import UserError

Say = Callable[[str], None]
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "tokenizer.model",
)


def check_folder(folder: WorkFolder) -> None:
    """Raise UserError when DATA holds something that is not a ``prepare`` of ours."""
    if folder.state.is_dir():
        return
    if folder.root.exists() and (not folder.root.is_dir() or any(folder.root.iterdir())):
        raise UserError(f"{folder.root} holds something else: choose another --out; nothing was overwritten")


def claim_folder(folder: WorkFolder, plan: JobPlan, tokenizer: Path, append: bool, say: Say) -> bool:
    """Make DATA the place of ``plan``, with its lock held; False when that was finished before.

    ``plan.part`` is set here: the next one when appending. Raises UserError, having changed nothing, when DATA was
    prepared, or is being prepared, in another way.
    """
    parts = folder.finished_parts()
    for part in parts:
        done = load_plan(folder.part(part) / "plan.json")
        # A library that was updated since concerns nobody who has finished.
        if not plan_differences(done, replace(plan, tokenizers_version=done.tokenizers_version)):
            if folder.plan.is_file() and load_plan(folder.plan).part == part:
                sweep(folder)
            return False
    current = load_plan(folder.plan) if folder.plan.is_file() else None
    if current and current.part in parts:
        sweep(folder)  # killed between its last step and the sweeping
        current = None
    if current is None:
        _begin(folder, plan, tokenizer, parts, append)
        return True
    if append != (current.part != "0000"):
        raise _refusal(folder, "is being prepared", [f"append was {not append}, is {append}"])
    differences = plan_differences(current, plan)
    if differences and not _may_change(folder, current):
        raise _refusal(folder, "is being prepared", differences)
    if differences:
        for path in (folder.routed, folder.input_failed):
            path.unlink(missing_ok=True)
        shutil.rmtree(folder.failed, ignore_errors=True)
        _write(folder, replace(plan, part=current.part), None if append else tokenizer)
        kept = {task.id for task in plan.route_tasks()}
        for path in folder.spill.glob("*"):
            if path.name not in kept:
                shutil.rmtree(path)
        say(f"{folder.root}: the plan is another one now ({'; '.join(differences)}); what both read alike is kept")
    return True


def _begin(folder: WorkFolder, plan: JobPlan, tokenizer: Path, parts: list[str], append: bool) -> None:
    if not parts:
        if folder.has_data:
            raise UserError(f"{folder.root} was prepared by an older version, which no other can add to")
        if append:
            raise UserError(f"nothing to append to: no data in {folder.root}; leave out --append")
        _write(folder, replace(plan, part="0000"), tokenizer)
        return
    last = load_plan(folder.part(parts[-1]) / "plan.json")
    if not append:
        differences = plan_differences(last, plan)
        raise _refusal(folder, "was prepared", differences, ", or --append to add to it")
    manifest = load_manifest(folder.root)
    if plan.settings.block_size != manifest.block_size:
        raise UserError(
            f"{folder.root} has blocks of {manifest.block_size:,} tokens: append with --block-size "
            f"{manifest.block_size}, not {plan.settings.block_size}"
        )
    if plan.tokenizer_hash != manifest.tokenizer_hash:
        raise UserError(
            f"{folder.root} was prepared with another tokenizer (hash {manifest.tokenizer_hash[:12]}, that of "
            f"{tokenizer} is {plan.tokenizer_hash[:12]}): append with {folder.tokenizer}"
        )
    _check_new(folder, plan, parts)
    write_text(folder.base, (folder.root / MANIFEST_NAME).read_text(encoding="utf-8"))
    _write(folder, replace(plan, part=f"{len(parts):04}"), None)


def _check_new(folder: WorkFolder, plan: JobPlan, parts: list[str]) -> None:
    if plan.settings.dedup:
        return
    new = {(unit.kind, unit.path) for planned in plan.inputs for unit in planned.units}
    for part in parts:
        for planned in load_plan(folder.part(part) / "plan.json").inputs:
            for unit in planned.units:
                if (unit.kind, unit.path) in new:
                    raise UserError(
                        f"input {unit.path or unit.kind} is in part {part} of {folder.root} already: name new files "
                        "alone, or append with --dedup, which leaves out the texts that are there"
                    )


def _may_change(folder: WorkFolder, current: JobPlan) -> bool:
    """Whether nothing was read so far, or what was read turned out bad."""
    if folder.routed.is_file():
        return False
    done = any((folder.spill / task.id / DONE_NAME).is_file() for task in current.route_tasks())
    return not done or folder.input_failed.is_file() or any(folder.failed.glob("route--*"))


def _write(folder: WorkFolder, plan: JobPlan, tokenizer: Path | None) -> None:
    """The plan last: with it the folder is complete."""
    for path in (folder.spill, folder.units, folder.temporary, folder.locks):
        path.mkdir(exist_ok=True)
    if tokenizer:
        shutil.rmtree(folder.tokenizer, ignore_errors=True)
        folder.tokenizer.mkdir()
        for name in TOKENIZER_FILES:
            source: Path = tokenizer / name
            if source.is_file():
                shutil.copyfile(source, folder.tokenizer / name)
    plan.save(folder.plan)


def _refusal(folder: WorkFolder, what: str, differences: list[str], or_else: str = "") -> UserError:
    return UserError(
        f"{folder.root} {what} in another way: {'; '.join(differences)}. Choose another --out, or remove that folder "
        f"first{or_else}; nothing was changed"
    )
