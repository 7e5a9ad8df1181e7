import pytest

from mmbert_composer.doctor.compiler import check_compiler, find_compiler


@pytest.mark.parametrize(
    ("compiler", "headers", "compile", "has_gpu", "status"),
    [
        ("/usr/bin/cc", True, "auto", True, "ok"),
        (None, True, "auto", True, "note"),
        (None, True, "auto", False, "ok"),
        ("/usr/bin/cc", False, "auto", True, "note"),
        (None, False, True, False, "problem"),
    ],
)
def test_compiler(compiler, headers, compile, has_gpu, status):
    found = check_compiler(compiler, headers, compile, has_gpu=has_gpu)
    assert found.status == status
    if not headers:
        assert "Python.h" in found.what
    if status == "problem":
        assert "set model.compile=auto" in found.mend


def test_cc_comes_first(tmp_path, monkeypatch):
    own = tmp_path / "mycc"
    own.write_text("#!/bin/sh\n")
    own.chmod(0o755)
    monkeypatch.setenv("CC", str(own))
    assert find_compiler() == str(own)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC")
    assert find_compiler() is None
