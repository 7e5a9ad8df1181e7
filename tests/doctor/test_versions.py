import pytest
from packaging.requirements import Requirement

from mmbert_composer.doctor.versions import (
    check_installation,
    check_python,
    check_streaming_package,
    check_versions,
    pinned_versions,
    required_packages,
)
from mmbert_composer.recipes import recipes_folder

REQUIRED = required_packages(["torch<2.7.1,>=2.7", "Numpy<2.2,>=2.1", "ray>=2.60; extra == 'ray'"])
TESTED = {"torch": "2.7.0", "numpy": "2.1.3"}


def test_only_what_is_needed_in_any_case():
    assert {"torch": Requirement("torch<2.7.1,>=2.7"), "numpy": Requirement("Numpy<2.2,>=2.1")} == REQUIRED


@pytest.mark.parametrize(
    ("installed", "statuses", "text"),
    [
        ({"torch": "2.7.0", "numpy": "2.1.3"}, ["ok"], "2 of 2 packages in the versions that were tested"),
        ({"torch": "2.7.0+cu126", "numpy": "2.1.3"}, ["ok"], "2 of 2"),
        ({"torch": "2.7.0", "numpy": "2.1.2"}, ["ok", "note"], "numpy 2.1.2; tested was 2.1.3"),
        ({"torch": "2.11.0", "numpy": "2.1.3"}, ["ok", "note"], "torch 2.11.0 is outside of <2.7.1,>=2.7"),
        ({"torch": None, "numpy": "2.1.3"}, ["ok", "problem"], "torch is not installed"),
    ],
)
def test_versions(installed, statuses, text):
    found = check_versions(REQUIRED, installed, TESTED)
    assert [finding.status for finding in found] == statuses
    assert text in found[-1].what
    if statuses[-1] == "problem":
        assert "'torch==2.7.0'" in found[-1].mend


def test_the_interpreter():
    assert check_python((3, 11)).status == "ok"
    assert check_python((3, 13)).status == "problem"


def test_the_other_package_of_that_name():
    assert check_streaming_package(["mosaicml-streaming"]) is None
    found = check_streaming_package(["streaming", "mosaicml-streaming"])
    assert found is not None
    assert "from the package streaming, which is not MosaicML's" in found.what
    assert found.mend.startswith("pip uninstall streaming;")


def test_this_installation():
    constraints = (recipes_folder() / "constraints.txt").read_text()
    assert pinned_versions(constraints)["mosaicml-streaming"] == "0.13.0"
    found = check_installation(constraints)
    assert "problem" not in {finding.status for finding in found}
    assert any("packages in the versions that were tested" in finding.what for finding in found)
