"""What torch.compile needs of the system: a compiler and Python's headers."""

import os
import shutil
import sysconfig
from pathlib import Path

from mmbert_composer.doctor.finding import Finding, note, ok, problem

CHECK = "torch.compile"
COMPILERS = ("cc", "gcc", "clang")


def find_compiler() -> str | None:
    """The C compiler that Triton would call: CC, else the first of the usual names."""
    return next((path for name in (os.environ.get("CC"), *COMPILERS) if name and (path := shutil.which(name))), None)


def has_python_headers() -> bool:
    """Whether Python.h is there."""
    return (Path(sysconfig.get_path("include")) / "Python.h").is_file()


def check_compiler(compiler: str | None, headers: bool, compile: object, *, has_gpu: bool) -> Finding:
    """``compile`` is the run's ``model.compile``: auto compiles on a GPU alone and goes without where it fails."""
    missing = [
        what for what, there in (("a C compiler", compiler), ("Python's headers (Python.h)", headers)) if not there
    ]
    if not missing:
        return ok(CHECK, f"{compiler}, with Python's headers")
    what = f"{' and '.join(missing)} not found"
    mend = "install them (Debian: apt install gcc python3-dev), or set CC"
    if compile is True:
        return problem(CHECK, f"{what}, and model.compile is true", f"{mend}; or set model.compile=auto")
    if has_gpu:
        return note(CHECK, f"{what}: the layers run uncompiled, which is slower", mend)
    return ok(CHECK, f"{what}, and on a CPU not needed")
