"""What can be refused of an export before anything heavy is imported: paths alone."""

from pathlib import Path

from mmbert_composer.checkpoints.run_folder import RunFolder
from mmbert_composer.errors import UserError
from mmbert_composer.export.atomic_folder import refuse_existing


def check_model_path(path: Path) -> None:
    """Raise a UserError unless ``path`` is a Hugging Face folder, a run folder, or a file inside one."""
    if not path.exists():
        raise UserError(f"{path}: no such file or folder; expected a checkpoint, a run folder or a Hugging Face folder")
    if not (path / "config.json").is_file():
        RunFolder.of(path)


def check_export_request(model: Path, out: Path) -> None:
    """Raise a UserError if ``model`` is none or ``out`` exists."""
    refuse_existing(out)
    check_model_path(model)
