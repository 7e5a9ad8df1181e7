"""What a restart cannot save: the imports, and building the model. Started by ``composer`` as train.py is.

``startup.py YAML FILE``: rank 0 writes the time to FILE when it is done.
"""

import sys
import time
from pathlib import Path


def main(yaml: str, file: str) -> None:
    from composer.utils import dist, get_device

    import mmbert_composer.builders.run
    from mmbert_composer.config import load_yaml, parse_run_config
    from mmbert_composer.data.manifest import load_manifest
    from mmbert_composer.models.modernbert_config import build_config
    from mmbert_composer.models.modernbert_mlm import ModernBertMLM
    from mmbert_composer.optim.build_optimizer import build_optimizer

    assert mmbert_composer.builders.run
    config = parse_run_config(load_yaml(yaml, ()))
    dist.initialize_dist(get_device(None), timeout=60)
    manifest = load_manifest(str(config.data.root))
    longest = max(phase.max_seq_len for phase in config.curriculum.phases)
    model = ModernBertMLM(
        build_config(config.model, manifest.vocab_size, manifest.special_ids, longest),
        held_out_streams=list(manifest.streams),
        init_seed=config.seed,
    )
    build_optimizer(model, config.optimizer)
    dist.barrier()
    if dist.get_global_rank() == 0:
        Path(file).write_text(repr(time.time()))


if __name__ == "__main__":
    main(*sys.argv[1:])
