"""Where a run starts: from nothing, from its own newest checkpoint, or from another run's."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmbert_composer.builders.run_folder import earlier_cursors
from mmbert_composer.checkpoints.checkpoint_form import SHARDED, check_form
from mmbert_composer.checkpoints.list_checkpoints import (
    CheckpointFile,
    named_checkpoints,
    newest_checkpoint,
    why_invalid,
)
from mmbert_composer.checkpoints.read_checkpoint import clock_of, read_checkpoint
from mmbert_composer.config import RunConfig
from mmbert_composer.errors import UserError
from mmbert_composer.export.model_source import open_model


@dataclass(frozen=True)
class StartPoint:
    """What is restored.

    ``kind``: new, resume, continue or weights. ``path``: a checkpoint file, or for weights also a folder in
    Hugging Face's form. ``cursors``: blocks of each stream drawn before this run's first segment.
    """

    kind: str
    path: Path | None = None
    cursors: dict[str, int] = field(default_factory=dict)
    data_seed: int = 17
    token: int = 0
    own: CheckpointFile | None = None
    """The newest checkpoint of the run's own folder, where the run goes on by itself."""
    note: str = ""
    """What a person should know of the weights; "" for nothing."""

    def describe(self) -> str:
        """One line about what was restored."""
        if self.kind == "new":
            return "a new run: fresh weights, every stream from its first block"
        what = {
            "resume": f"everything restored, the clock stands at {self.token} tokens",
            "continue": f"weights, optimizer and the cursors of {len(self.cursors)} streams restored; new clock, "
            f"learning rate and schedule",
            "weights": "weights restored; new optimizer, clock and cursors",
        }
        return f"{self.kind} from {self.path}: {what[self.kind]}{self.note}"


def find_start(config: RunConfig, folder: Path) -> StartPoint:
    """Decide where to start; the newest valid checkpoint in the run's own folder wins over ``load_path``.

    Raises:
        UserError: a load_path that does not exist or holds no checkpoint, another data.seed than the
            checkpoint's.
    """
    seed = config.data.seed
    own = newest_checkpoint(folder) if config.autoresume and folder.exists() else None
    if own is None and config.autoresume:
        _refuse_to_start_over(folder)
    if own is not None:
        content = read_checkpoint(own.path)
        cursors = earlier_cursors(folder)
        seed = _checkpoint_seed(config, content, own.path)
        return StartPoint("resume", own.path, cursors, seed, clock_of(content, own.path).token, own)
    if config.load_path is None:
        return StartPoint("new", data_seed=seed)
    assert config.load_as is not None
    path = Path(config.load_path)
    if not path.exists():
        raise UserError(f"load_path {path} does not exist")
    if config.load_as == "weights" and path.is_dir() and (path / "config.json").exists():
        return StartPoint("weights", path, data_seed=seed, note=_theta_note(config, path))
    if path.is_dir():
        found = newest_checkpoint(path)
        if found is None:
            raise _nothing_to_load(path, f"load_path {path}")
        path = found.path
    content = read_checkpoint(path)
    if config.load_as == "weights":
        return StartPoint("weights", path, data_seed=seed, note=_theta_note(config, path))
    seed = _checkpoint_seed(config, content, path)
    token = clock_of(content, path).token
    if config.load_as == "resume":
        if token >= config.curriculum.total_tok:
            raise UserError(
                f"load_path {path} stands at {token} tokens, this run ends at {config.curriculum.total_tok}: there is "
                f"nothing to resume. To train on with the next phase use load_as: continue"
            )
        run = path.parent.parent if path.parent.name == "checkpoints" else path.parent
        return StartPoint("resume", path, earlier_cursors(run), seed, token)
    cursors = _annealing_state(content, path)["cursors"]
    return StartPoint("continue", path, {name: drawn for name, drawn in cursors.items() if drawn}, seed, token)


def checkpoint_cursors(path: Path) -> dict[str, int]:
    """Blocks of each stream drawn up to a checkpoint, given as a file or as its run's folder."""
    if path.is_dir():
        found = newest_checkpoint(path)
        if found is None:
            raise _nothing_to_load(path, str(path))
        path = found.path
    cursors = _annealing_state(read_checkpoint(path), path)["cursors"]
    return {name: drawn for name, drawn in cursors.items() if drawn}


def _refuse_to_start_over(folder: Path) -> None:
    """A run whose checkpoints are all harmed would begin again and write over them: somebody must decide that."""
    files = named_checkpoints(folder) if folder.exists() else []
    if files:
        raise UserError(
            f"save_folder {folder} holds {len(files)} checkpoints and none can be used (the newest, "
            f"{files[-1].path.name}: {why_invalid(files[-1].path, content=True)}). Restore one from a copy, name "
            f"another save_folder, or remove {files[-1].path.parent} to begin again"
        )


def _nothing_to_load(folder: Path, what: str) -> UserError:
    files = named_checkpoints(folder)
    if files:
        why = why_invalid(files[-1].path, content=True)
        return UserError(
            f"{what}: none of its {len(files)} checkpoints can be used (the newest, {files[-1].path.name}: {why})"
        )
    if (folder / SHARDED).is_file():
        check_form(folder)
    if (folder / "config.json").is_file():
        return UserError(f"{what} is a model in Hugging Face's form, which holds weights alone: use load_as: weights")
    return UserError(f"{what} holds no complete checkpoint (ep*-ba*-rank0.pt, or in checkpoints/)")


def _theta_note(config: RunConfig, path: Path) -> str:
    """The rotary bases that the weights know, where the first phase has others: meant in a new phase, else a slip."""
    try:
        theirs = open_model(path).files.rope_theta
    except UserError:
        return ""  # a checkpoint without its run folder
    first = config.curriculum.at(0).rope_theta
    if theirs == first:
        return ""
    return (
        f". NOTE: they were last trained with RoPE theta {theirs.global_theta:_.0f} global, {theirs.local_theta:_.0f} "
        f"local, and phase {config.curriculum.phases[0].name!r} sets {first.global_theta:_.0f} and "
        f"{first.local_theta:_.0f}; if that is not meant, set its rope_theta"
    )


def _annealing_state(content: dict[str, Any], path: Path) -> dict[str, Any]:
    state = content["state"].get("callbacks", {}).get("LanguageAnnealing")
    if not state:
        raise UserError(
            f"{path}: holds no cursors (it was trained without language_annealing), so what was drawn of each "
            f"stream is unknown; use load_as: weights"
        )
    return state


def _checkpoint_seed(config: RunConfig, content: dict[str, Any], path: Path) -> int:
    """The checkpoint's data.seed; a YAML that sets another one, or another shuffle_window, is refused."""
    state = _annealing_state(content, path)
    seed, window = int(state["data_seed"]), state.get("shuffle_window")
    asked = (config.raw.get("data") or {}).get("seed")
    if asked is not None and asked != seed:
        raise UserError(
            f"data.seed={asked}, but the checkpoint {path} drew its blocks with seed {seed}; another order would "
            f"repeat blocks. Remove data.seed, or set it to {seed}"
        )
    if config.data.shuffle_window != window:
        found = "without one" if window is None else f"with {window}"
        raise UserError(
            f"data.shuffle_window={config.data.shuffle_window}, but the checkpoint {path} drew its blocks {found}; "
            f"another order would repeat blocks. " + ("Remove it" if window is None else f"Set it to {window}")
        )
    return seed
