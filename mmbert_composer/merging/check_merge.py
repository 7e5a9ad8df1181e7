"""What can be refused of a merge before anything heavy is imported: its paths and how many there are."""

from collections.abc import Sequence
from pathlib import Path

from mmbert_composer.export.atomic_folder import refuse_existing
from mmbert_composer.export.check_request import check_model_path
from mmbert_composer.merging.merge_method import MergeMethod


def check_merge(models: Sequence[str | Path], out: Path, method: MergeMethod, base: str | Path | None) -> None:
    """Raise a UserError for an ``out`` that exists, a number of models or a base that does not suit the method, or a
    path that is no model.
    """
    refuse_existing(out)
    method.check_count(len(models))
    method.check_base(None if base is None else str(base))
    for path in [*models, *([base] if base is not None else [])]:
        check_model_path(Path(path))
