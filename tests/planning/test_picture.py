import pytest
from matplotlib.image import imread

from mmbert_composer.config import load_yaml, parse_run_config
from mmbert_composer.errors import UserError
from mmbert_composer.planning import plan_run
from mmbert_composer.planning.picture import draw_plan
from tests.conftest import ROOT

RECIPES = ["mmbert-base", "mmbert-continue"]


@pytest.mark.parametrize("name", RECIPES)
def test_a_picture_of_every_kind_of_run(name, tmp_path):
    settings = load_yaml(ROOT / "yamls" / f"{name}.yaml")
    settings.pop("load_as", None)
    settings["data"] |= {"root": None}
    config = parse_run_config(settings)
    draw_plan(config, plan_run(config), tmp_path / "new" / "run.png")
    picture = imread(tmp_path / "new" / "run.png")
    assert picture.shape[:2] == (1540, 1680)
    assert len({tuple(pixel) for pixel in picture[::7, ::7].reshape(-1, picture.shape[2]).tolist()}) > 5


def test_with_languages(settings, tmp_path):
    config = parse_run_config(settings)
    draw_plan(config, plan_run(config), tmp_path / "run.svg")
    text = (tmp_path / "run.svg").read_text()
    assert text.startswith("<?xml")
    assert text.count("<path") > 50


def test_what_cannot_be_written(settings, tmp_path):
    config = parse_run_config(settings)
    with pytest.raises(UserError, match=r"--picture .*run\.docx cannot be written: .*supported"):
        draw_plan(config, plan_run(config), tmp_path / "run.docx")
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        draw_plan(config, plan_run(config), tmp_path / "file" / "run.png")
