"""Installed packages against the set that was tested."""

import re
import sys
from collections.abc import Iterable, Mapping
from importlib import metadata

from packaging.requirements import Requirement

from mmbert_composer.doctor.finding import Finding, note, ok, problem

CHECK = "versions"
PYTHONS = ((3, 11), (3, 12))
INSTALL = "pip install -c constraints.txt -e .[dev,eval] in a checkout (`make install` does it), or install {} alone"


def pinned_versions(constraints: str) -> dict[str, str]:
    """Package to version from the text of a constraints.txt."""
    pins = re.findall(r"^([\w.-]+)==(\S+)", constraints, re.MULTILINE)
    return {_plain(name): version for name, version in pins}


def required_packages(requirements: Iterable[str]) -> dict[str, Requirement]:
    """What the package needs in any case (no extra), from its metadata."""
    parsed = [Requirement(text) for text in requirements]
    return {_plain(need.name): need for need in parsed if need.marker is None or need.marker.evaluate({"extra": ""})}


def installed_version(package: str) -> str | None:
    """The version that is installed, or None."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def check_python(version: tuple[int, int]) -> Finding:
    """The interpreter."""
    shown = ".".join(map(str, version))
    if version in PYTHONS:
        return ok(CHECK, f"Python {shown}")
    return problem(CHECK, f"Python {shown} was not tested", "make an environment with Python 3.11 or 3.12")


def check_versions(
    required: Mapping[str, Requirement], installed: Mapping[str, str | None], tested: Mapping[str, str]
) -> list[Finding]:
    """A finding for each needed package that is missing or not as tested; one line for all others."""
    found: list[Finding] = []
    for name, need in required.items():
        version, pin = installed.get(name), tested.get(name)
        wanted = f"{name}=={pin}" if pin else str(need)
        if version is None:
            found.append(problem(CHECK, f"{name} is not installed", INSTALL.format(f"'{wanted}'")))
        elif not need.specifier.contains(version, prereleases=True):
            found.append(
                note(
                    CHECK,
                    f"{name} {version} is outside of {need.specifier}, the range in which the releases that this "
                    f"project builds on fit together{f' (tested: {pin})' if pin else ''}",
                    f"if anything fails: pip install '{wanted}'",
                )
            )
        elif pin is not None and version.split("+")[0] != pin:
            found.append(note(CHECK, f"{name} {version}; tested was {pin}", f"if anything fails: pip install {wanted}"))
    as_tested = len(required) - len(found)
    return [ok(CHECK, f"{as_tested} of {len(required)} packages in the versions that were tested"), *found]


def check_streaming_package(providers: Iterable[str]) -> Finding | None:
    """The name ``streaming`` belongs to another package on PyPI; ours is ``mosaicml-streaming``.

    ``providers``: the installed packages that bring a module ``streaming``.
    """
    others = sorted(set(providers) - {"mosaicml-streaming"})
    if not others:
        return None
    return problem(
        CHECK,
        f"the module streaming comes from the package {', '.join(others)}, which is not MosaicML's",
        f"pip uninstall {' '.join(others)}; pip install --force-reinstall --no-deps mosaicml-streaming",
    )


def check_installation(constraints: str) -> list[Finding]:
    """Everything above for this interpreter."""
    try:
        required = required_packages(metadata.requires("mmbert-composer") or [])
    except metadata.PackageNotFoundError:
        mend = "pip install -c constraints.txt -e . in the checkout"
        return [check_python(sys.version_info[:2]), note(CHECK, "this package runs without being installed", mend)]
    installed = {name: installed_version(name) for name in required}
    streaming = check_streaming_package(metadata.packages_distributions().get("streaming", []))
    return [
        check_python(sys.version_info[:2]),
        *check_versions(required, installed, pinned_versions(constraints)),
        *([streaming] if streaming else []),
    ]


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
