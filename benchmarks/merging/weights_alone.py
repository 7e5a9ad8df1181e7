"""Our merge without tokenizer, config, card and the check by logits: what mergekit does, as a process.

``python -m benchmarks.merging.weights_alone METHOD OUT BASE MODEL...``
"""

import os
import sys
from contextlib import ExitStack
from pathlib import Path

from benchmarks.merging.contenders import DENSITY
from mmbert_composer.merging.find_thresholds import Trimming
from mmbert_composer.merging.merge_method import MergeMethod
from mmbert_composer.merging.scan_models import scan_models
from mmbert_composer.merging.stored_model import check_alike, open_stored_model
from mmbert_composer.merging.write_merge import write_merge


def merge_weights(name: str, out: Path, base: Path, models: list[Path]) -> None:
    """Write ``out/model.safetensors`` and flush it to the disk; linear takes no notice of ``base``."""
    method = MergeMethod(name, density=DENSITY if name == "ties" else None)
    out.mkdir()
    with ExitStack() as files:
        stored = [open_stored_model(path, files) for path in models]
        origin = open_stored_model(base, files) if method.needs_base else None
        check_alike([*stored, *([origin] if origin else [])])
        trimming = None if method.density is None else Trimming(method.density)
        scan = scan_models(stored, origin, trimming, all_products=method.needs_base)
        write_merge(stored, origin, method, scan, out / "model.safetensors")
    with (out / "model.safetensors").open("rb") as file:
        os.fsync(file.fileno())


if __name__ == "__main__":
    merge_weights(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), [Path(name) for name in sys.argv[4:]])
