"""Whether what training imports can be imported, and from where it fails."""

import importlib
from collections.abc import Iterable

from mmbert_composer.doctor.finding import Finding, ok, problem

CHECK = "imports"
PACKAGES = ("torch", "transformers", "composer", "streaming")


def check_imports(packages: Iterable[str] = PACKAGES) -> list[Finding]:
    """Import each package; one that fails is a problem with the first line of its error."""
    found: list[Finding] = []
    good: list[str] = []
    for package in packages:
        try:
            importlib.import_module(package)
        except Exception as error:  # whatever a package that does not fit its neighbours raises
            reason = f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}"
            found.append(
                problem(
                    CHECK, f"{package} does not import ({reason})", "install the tested versions, see versions above"
                )
            )
        else:
            good.append(package)
    return [ok(CHECK, f"{', '.join(good)}"), *found] if good else found
