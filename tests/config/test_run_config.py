import pytest

from mmbert_composer.config import parse_run_config
from mmbert_composer.data.data_source import DataSource
from mmbert_composer.errors import UserError


def test_a_good_one(settings):
    config = parse_run_config(settings)
    assert config.curriculum.total_tok == 6144
    assert [phase.segments for phase in config.curriculum.phases] == [2, 2, 2]
    assert config.data.held_out_blocks == 2
    assert config.autoresume


def test_intervals(settings):
    settings |= {"save_interval": "1ep", "eval_interval": 100}
    config = parse_run_config(settings)
    assert (config.save_interval, config.eval_interval) == ("1024tok", "100ba")


def test_batch_sizes_in_tokens(settings):
    settings["global_train_batch_size"] = "256tok"
    assert parse_run_config(settings).global_train_batch_size == 4
    settings["global_train_batch_size"] = "250tok"
    with pytest.raises(UserError, match="250tok is not a whole number of blocks of 64 tokens"):
        parse_run_config(settings)


def test_a_remote(settings):
    assert parse_run_config(settings).data.source == DataSource(settings["data"]["root"])
    remote = {"root": "s3://bucket/data", "cache": "/nvme", "cache_limit": "1.5 TB", "download_retries": 0}
    settings["data"] |= {**remote, "verify": "never", "shuffle_window": 8192}
    config = parse_run_config(settings).data
    assert config.source == DataSource("s3://bucket/data", "/nvme", 1_500_000_000_000, 0, 60.0, "never")
    for given, limit in ((2_000_000, 2_000_000), ("200gb", 200 * 10**9), ("5_000", 5000), (None, None)):
        settings["data"]["cache_limit"] = given
        assert parse_run_config(settings).data.cache_limit == limit
    settings["data"]["root"] = None
    with pytest.raises(UserError, match=r"data.cache and data.cache_limit are of a remote"):
        parse_run_config(settings)


def test_normalize_and_files_of_languages(settings, tmp_path):
    codes = tmp_path / "codes.txt"
    codes.write_text("eng  # English\n\n# nothing\ndeu\n")
    phase = settings["curriculum"]["phases"][0]
    phase["mixture"] = {"tiny": {"share": 3, "languages": str(codes)}, "other": {"share": 1}}
    phase["normalize"] = True
    parsed = parse_run_config(settings).curriculum.phases[0].mixture
    assert parsed["tiny"].share == 0.75
    assert parsed["tiny"].languages == ["eng", "deu"]


def phase(key, value):
    def change(settings):
        settings["curriculum"]["phases"][2][key] = value

    return change


def mixture(**options):
    def change(settings):
        settings["curriculum"]["phases"][2]["mixture"] = {"tiny": {"share": 1.0} | options}

    return change


def top(key, value):
    def change(settings):
        *parents, last = key.split(".")
        for parent in parents:
            settings = settings[parent]
        settings[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (top("sede", 3), r"unknown key sede: did you mean seed\?"),
        (top("data.cache_limit", "5 GB"), r"data.cache_limit is set, but data.root=.* is a folder: a shard removed"),
        (
            top("data.cache_limit", "much"),
            r"data.cache_limit='much' must be a number of bytes, or a text such as",
        ),
        (top("data.cache", "c"), r"data.cache=c is set, but data.root=.* is a folder, which is read where it is"),
        (top("data.root", "gs://b/d"), r"data.root=gs://b/d is a remote: set data.cache to a folder on every node"),
        (top("data.verify", "yes"), r"data.verify='yes' must be one of first_touch, never"),
        (top("data.shuffle_window", 0), r"data.shuffle_window=0 must be a whole number, at least 1"),
        (top("data.segment_block", 3), r"unknown key data.segment_block: did you mean segment_blocks\?"),
        (phase("mask_ration", 0.1), r"unknown key phase 'three': mask_ration: did you mean mask_ratio\?"),
        (phase("mask_ratio", 1.5), r"phase 'three': mask_ratio=1.5 must be in \(0, 1\)"),
        (phase("mask_ratio", {"from": 0.1, "to": 0.0}), r"mask_ratio=0 must be in \(0, 1\)"),
        (phase("max_seq_len", 128), "max_seq_len=128 is above the block size of the data, 64"),
        (phase("duration", None), "phase 'three': duration is missing"),
        (phase("duration", "3 days"), "phase 'three': duration: '3 days' is not a number of tokens"),
        (phase("name", "one"), "two phases are named 'one'"),
        (phase("mixture", {}), "mixture is empty"),
        (phase("lr", {"from": -1, "to": 1}), "lr=-1 is a multiplier"),
        (phase("batch_size", 3), "3 blocks is not a multiple of batch_size_multiple=2"),
        (phase("rope_theta", {"global": 1}), "must be one number or"),
        (mixture(tau=1.5), r"phase 'three': mixture.tiny: tau=1.5 must be in \[0, 1\]"),
        (mixture(tau=-0.5), r"tau=-0.5 must be in \[0, 1\]"),
        (mixture(temperature=2), r"temperature=2 is above 1; .* write tau: 0.5"),
        (mixture(share=0.5), "the shares of tiny sum to 0.5, not 1"),
        (mixture(langauges=3), "unknown key 'langauges'"),
        (mixture(languages="missing.txt"), "missing.txt cannot be read"),
        (top("data.segment_blocks", 12), "must be a multiple of data.num_canonical_nodes=8"),
        (top("global_train_batch_size", 24), "segment_blocks=16 must be a multiple of the batch of 24 blocks"),
        (top("data.block_size", "64"), "data.block_size='64' must be a whole number"),
        (top("seed", "abc"), "seed='abc' must be a whole number"),
        (top("precision", "bf16"), "precision='bf16' must be one of fp32, amp_bf16"),
        (top("save_interval", "soon"), "save_interval: 'soon' is no interval"),
        (top("eval_interval", "0.1dur"), "eval_interval: '0.1dur' is no interval"),
        (top("data.num_workers", -1), "data.num_workers=-1 must be a whole number, at least 0"),
        (top("data.num_canonical_nodes", 0), "data.num_canonical_nodes=0 must be a whole number, at least 1"),
        (top("data.held_out_blocks", 0), "data.held_out_blocks=0 must be a whole number, at least 1"),
        (top("model", 5), "model: expected keys and values, found 5"),
        (top("optimizer", "adamw"), "optimizer: expected keys and values"),
        (top("curriculum.max_passes", "five"), "max_passes='five' must be a number"),
        (top("batch_size_multiple", "x"), "batch_size_multiple='x' must be a whole number"),
        (top("global_train_batch_size", "4.7Mtok"), "4.7Mtok is not a whole number of blocks"),
        (mixture(share="0.5"), r"share='0.5' must be in \(0, 1\]"),
        (mixture(languages=0.5), "languages=0.5"),
        (top("data.held_out_streams", "some"), "held_out_streams='some' must be plan or all"),
        (top("scheduler", {"name": "constant"}), "remove the top-level scheduler"),
        (top("load_path", "somewhere"), "load_as must say how to start from it"),
        (top("load_as", "weights"), "load_as: weights needs load_path"),
        (top("model", None), "model is missing"),
        (top("curriculum.max_passes", 0), "max_passes=0 must be above 0"),
        (top("curriculum.phases", {}), "curriculum.phases must be a list"),
        (top("callbacks", ["sample_log"]), "callbacks: expected keys and values"),
    ],
)
def test_bad_settings(settings, change, message):
    change(settings)
    with pytest.raises(UserError, match=message):
        parse_run_config(settings)


def test_sources_must_sum_to_one(settings):
    settings["curriculum"]["phases"][0]["mixture"] = {"tiny": {"share": 0.5}, "more": {"share": 0.4}}
    with pytest.raises(UserError, match=r"phase 'one': the shares of tiny, more sum to 0.9, not 1"):
        parse_run_config(settings)


def test_everything_stands_alone(settings):
    settings["curriculum"]["phases"][0]["mixture"] = {"*": {"share": 0.5}, "tiny": {"share": 0.5}}
    with pytest.raises(UserError, match=r"mixture '\*' is all data; it cannot stand beside tiny"):
        parse_run_config(settings)
