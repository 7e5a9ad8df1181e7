"""Limits and settings of the system that end a run hours later: files, temporary folder, the model hub."""

import os
import resource
import tempfile
from collections.abc import Mapping
from pathlib import Path

from mmbert_composer.doctor.finding import Finding, note, ok, problem

CHECK = "system"
OPEN_FILES = 4096
"""Workers hand batches over as open files; 1,024, a common limit, is what "Too many open files" comes from."""
LONGEST_FOLDER = 107 - len("/pymp-xxxxxxxx/listener-xxxxxxxx")
"""Bytes of a TMPDIR: the path of a socket may have 107 (Linux), and workers put theirs below it under such names."""


def check_open_files(soft: int, hard: int) -> Finding:
    """``ulimit -n``; -1 is no limit."""
    if soft == resource.RLIM_INFINITY or soft >= OPEN_FILES:
        shown = "no limit on" if soft == resource.RLIM_INFINITY else f"{soft:,}"
        return ok(CHECK, f"{shown} open files a process")
    most = OPEN_FILES * 4 if hard == resource.RLIM_INFINITY else min(OPEN_FILES * 4, hard)
    return note(CHECK, f"{soft:,} open files a process are few for workers that read ahead", f"ulimit -n {most}")


def check_temporary(folder: Path) -> Finding:
    """Whether TMPDIR can be written, and sockets can have a path below it."""
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix="mmbert-doctor-"):
            pass
    except OSError as error:
        return problem(
            CHECK, f"the temporary folder {folder} cannot be written: {error.strerror}", "set TMPDIR to one that can"
        )
    if len(os.fsencode(folder)) > LONGEST_FOLDER:
        return note(CHECK, f"the path of TMPDIR is too long for sockets below it: {folder}", "set a shorter TMPDIR")
    return ok(CHECK, f"temporary files go to {folder}")


def check_hub(environment: Mapping[str, str]) -> Finding:
    """HF_HUB_OFFLINE; nothing is asked of the network."""
    if environment.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}:
        return ok(CHECK, "HF_HUB_OFFLINE is set: nothing asks the model hub")
    return ok(CHECK, "HF_HUB_OFFLINE is not set; training asks the hub for nothing (whether it answers was not tried)")


def check_system() -> list[Finding]:
    """Everything above for this process."""
    found = [check_open_files(*resource.getrlimit(resource.RLIMIT_NOFILE))]
    try:
        found.append(check_temporary(Path(tempfile.gettempdir())))
    except FileNotFoundError as error:  # not one of the usual folders can be written
        found.append(problem(CHECK, str(error), "set TMPDIR to a folder that can be written"))
    return [*found, check_hub(os.environ)]
