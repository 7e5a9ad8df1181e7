import torch
from safetensors.torch import load_file

from mmbert_composer.merging.merge_method import MergeMethod
from mmbert_composer.merging.scan_models import scan_models
from mmbert_composer.merging.task_arithmetic import task_weights
from mmbert_composer.merging.write_merge import write_merge


def test_weights():
    assert task_weights(None, 3, normalize=False) == [1.0, 1.0, 1.0]
    assert task_weights(None, 2, normalize=True) == [0.5, 0.5]
    assert task_weights((1.0, -1.0), 2, normalize=False) == [1.0, -1.0]
    assert task_weights((3.0, 1.0), 2, normalize=True) == [0.75, 0.25]


def test_the_docstrings_example(tmp_path, store):
    base, models = (
        store("base", {"w": torch.tensor([10.0])}),
        [
            store("one", {"w": torch.tensor([11.0])}),
            store("other", {"w": torch.tensor([14.0])}),
        ],
    )

    def merged(**options):
        method = MergeMethod("task_arithmetic", **options)
        file = tmp_path / "out.safetensors"
        write_merge(models, base, method, scan_models(models, base, None), file)
        return load_file(file)["w"].item()

    assert merged() == 15
    assert merged(normalize=True) == 12.5
    assert merged(weights=(1.0, -1.0)) == 7
    assert merged(lam=0.4) == 12
