"""The contract of every callback of ours: builds, fits, closes twice, gives its state back, documents its keys."""

import inspect

import pytest
import torch
from composer import Callback, Trainer
from composer.loggers import InMemoryLogger

from mmbert_composer import registry
from mmbert_composer.config import parse_run_config
from mmbert_composer.data.annealed_dataset import AnnealedDataset
from mmbert_composer.data.annealed_loader import AnnealedLoader
from mmbert_composer.models.modernbert_config import build_config
from mmbert_composer.models.modernbert_mlm import ModernBertMLM

OURS = [name for name, entry in registry.entries("callbacks").items() if entry.target.startswith("mmbert_composer")]
KEYS = {
    "language_annealing": ["language_annealing/languages", "language_annealing/joined", "language_annealing/tau/tiny"],
    "mask_ratio": ["curriculum/mask_ratio"],
    "context_extension": [
        "curriculum/max_seq_len",
        "curriculum/rope_theta_global",
        "curriculum/rope_theta_local",
    ],
    "batch_size_warmup": ["curriculum/batch_size"],
    "learning_rate": ["curriculum/lr_multiplier"],
    "language_monitor": ["language/tiny/eng/blocks", "language/tiny/eng/tokens_real"],
    "intrinsic_eval": [
        "intrinsic/held_out_loss/size/largest",
        "intrinsic/held_out_loss/size/middle",
        "intrinsic/held_out_loss/size/smallest",
        "intrinsic/seconds",
    ],
    "packing_monitor": [
        "packing/fill",
        "packing/sequences_per_block",
        "packing/mean_seq_len",
        "packing/masked_tokens",
    ],
    "speed_report": [
        "speed/tokens_per_second",
        "speed/tokens_real_per_second",
        "speed/padding",
        "speed/tflops_per_device",
        "speed/memory_gb",
    ],
    "checkpoint_merging": ["merge/models", "merge/seconds", "merge/max_logit_difference"],
    "huggingface_export": ["export/seconds", "export/max_logit_difference"],
    "nan_guard": ["nan_guard/skipped"],
    "sample_log": [],
}


@pytest.fixture
def trainer_with(settings, tiny_data, tmp_path):
    """A Trainer built by hand around one callback: no YAML, none of the other schedulers."""

    def build(name):
        curriculum = parse_run_config(settings).curriculum
        dataset = AnnealedDataset(tiny_data, curriculum, seed=3, batch_size=2)
        loader = AnnealedLoader(dataset, global_batch_size=4, mask_ratio=0.3, max_seq_len=32)
        special = dataset.manifest.special_ids
        model = ModernBertMLM(build_config(settings["model"], dataset.manifest.vocab_size, special, 64))
        callback = registry.build("callbacks", name, {}, {"curriculum": curriculum, "run_folder": tmp_path / "run"})
        logger = InMemoryLogger()
        trainer = Trainer(
            model=model,
            train_dataloader=loader.data_spec(),
            optimizers=torch.optim.AdamW(model.parameters(), lr=1e-3),
            max_duration="3072tok",
            callbacks=[callback],
            loggers=[logger],
            save_folder=str(tmp_path / "run"),
            save_interval="4ba",
            device_train_microbatch_size=2,
            accumulate_train_batch_on_tokens=True,
            progress_bar=False,
        )
        return trainer, callback, logger, loader, curriculum

    return build


@pytest.mark.parametrize("name", OURS)
def test_works_alone_in_a_plain_trainer(trainer_with, name):
    trainer, callback, logger, loader, curriculum = trainer_with(name)
    trainer.fit()
    for key in KEYS[name]:
        assert key in logger.data, key
    assert isinstance(callback, Callback)
    state = callback.state_dict()
    callback.load_state_dict(state)
    assert callback.state_dict() == state
    trainer.close()
    trainer.close()
    if name == "mask_ratio":
        assert [value for _, value in logger.data["curriculum/mask_ratio"]] == [0.3] * 8 + [0.2] * 4
        assert loader.max_seq_len == 32  # what another scheduler would have set
    if name == "context_extension":
        assert [value for _, value in logger.data["curriculum/max_seq_len"]] == [32] * 8 + [64] * 4
        assert loader.mask_ratio == 0.3
        assert trainer.state.model.config.global_rope_theta == 160_000
    if name == "batch_size_warmup":
        sizes = [value for _, value in logger.data["curriculum/batch_size"]]
        assert sizes == [blocks for token, blocks in curriculum.steps() if token < 3072]
        assert set(sizes) == {2, 4}
    if name == "learning_rate":
        logged = [value for _, value in logger.data["curriculum/lr_multiplier"]]
        assert logged[:3] == [0.0, 0.5, 1.0]


@pytest.mark.parametrize("name", OURS)
def test_documents_its_keys(name):
    target = registry.entries("callbacks")[name].load()
    documented = inspect.getdoc(target) or ""
    for key in KEYS[name]:
        generic = key.replace("tiny/eng", "<source>/<language>").replace("tau/tiny", "tau/<source>")
        assert f"``{generic}``" in documented, key
    assert set(KEYS) == set(OURS)


def test_refuses_a_loader_it_cannot_act_on(settings):
    from torch.utils.data import DataLoader

    from mmbert_composer.callbacks.mask_ratio import MaskRatio
    from mmbert_composer.errors import UserError

    curriculum = parse_run_config(settings).curriculum
    model = ModernBertMLM(build_config(settings["model"], 64, {"pad": 0, "eos": 1, "bos": 2}, 64))
    trainer = Trainer(
        model=model,
        train_dataloader=DataLoader([0, 1], batch_size=1),
        max_duration="1ba",
        callbacks=[MaskRatio(curriculum)],
        optimizers=torch.optim.AdamW(model.parameters(), lr=1e-3),
        progress_bar=False,
    )
    with pytest.raises(
        UserError, match="callback mask_ratio: train_dataloader is a DataLoader; it acts on an AnnealedL"
    ):
        trainer.fit()
    trainer.close()
