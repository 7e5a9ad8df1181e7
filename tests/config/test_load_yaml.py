import pytest

from mmbert_composer.config.load_yaml import load_yaml
from mmbert_composer.errors import UserError


@pytest.fixture
def write(tmp_path):
    def write(name, text):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return write


BASE = """
model: {hidden_size: 64, num_hidden_layers: 2}
data: {root: data, block_size: 64, segment_blocks: 1_024}
curriculum:
  phases:
  - {name: a, duration: 1_000tok, mask_ratio: 0.3, mixture: {x: {share: 0.5}, y: {share: 0.5, languages: y.txt}}}
  - {name: b, duration: 500tok, mask_ratio: 0.1, mixture: {x: {share: 1.0}}}
"""


def test_extends_merges_dicts_and_phases_by_name(write, tmp_path):
    write("base/base.yaml", BASE)
    path = write(
        "run.yaml",
        """
extends: base/base.yaml
model: {hidden_size: 128}
curriculum:
  max_passes: 3
  phases:
  - {name: b, mask_ratio: 0.2}
  - {name: c, duration: 5tok}
""",
    )
    config = load_yaml(path)
    assert config["model"] == {"hidden_size": 128, "num_hidden_layers": 2}
    phases = config["curriculum"]["phases"]
    assert [phase["name"] for phase in phases] == ["a", "b", "c"]
    assert phases[1] == {"name": "b", "duration": "500tok", "mask_ratio": 0.2, "mixture": {"x": {"share": 1.0}}}
    # paths are relative to the file that names them
    assert config["data"]["root"] == str(tmp_path / "base" / "data")
    assert phases[0]["mixture"]["y"]["languages"] == str(tmp_path / "base" / "y.txt")
    assert config["data"]["segment_blocks"] == 1024


def test_null_removes_a_source_and_a_phase(write):
    write("base.yaml", BASE)
    path = write(
        "run.yaml",
        "extends: [base.yaml]\ncurriculum: {phases: [{name: a, mixture: {y: null}}, {name: b, duration: null}]}",
    )
    phases = load_yaml(path)["curriculum"]["phases"]
    assert [phase["name"] for phase in phases] == ["a"]
    assert list(phases[0]["mixture"]) == ["x"]


def test_overrides_reach_list_items(write, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = write("base.yaml", BASE)
    config = load_yaml(
        path,
        [
            "curriculum.phases.1.mask_ratio=0.25",
            "data.root=elsewhere",
            "model.attention=sdpa",
            "curriculum.max_passes=null",
        ],
    )
    assert config["curriculum"]["phases"][1]["mask_ratio"] == 0.25
    assert config["data"]["root"] == str(tmp_path / "elsewhere")
    assert config["model"]["attention"] == "sdpa"
    assert config["curriculum"]["max_passes"] is None


def test_cycles(write):
    write("a.yaml", "extends: b.yaml")
    write("b.yaml", "extends: a.yaml")
    with pytest.raises(UserError, match=r"extends goes in a circle: a.yaml -> b.yaml -> a.yaml"):
        load_yaml(write("a.yaml", "extends: b.yaml"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1", "not a YAML file"),
        ("- 1\n- 2", "expected keys"),
        ("extends: missing.yaml", "missing.yaml: cannot be read"),
    ],
)
def test_bad_files(write, text, message):
    with pytest.raises(UserError, match=message):
        load_yaml(write("bad.yaml", text))


@pytest.mark.parametrize("override", ["seed", "=3", "curriculum.phases.7.mask_ratio=0.1", "model.hidden_size=[1"])
def test_bad_overrides(write, override):
    with pytest.raises(UserError, match="override"):
        load_yaml(write("base.yaml", BASE), [override])


def test_yaml_executes_nothing(write):
    with pytest.raises(UserError, match="not a YAML file"):
        load_yaml(write("evil.yaml", "a: !!python/object/apply:os.system ['true']"))
