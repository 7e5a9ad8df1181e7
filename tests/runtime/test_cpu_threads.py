"""How OpenMP's threads wait, and what of it a user keeps."""

import os

import pytest

from mmbert_composer.runtime.cpu_threads import bound_spinning


def _after(monkeypatch: pytest.MonkeyPatch, **environment: str) -> dict[str, str]:
    monkeypatch.setattr(os, "environ", dict(environment))
    bound_spinning()
    return dict(os.environ)


def test_spinning_is_bounded_and_not_forbidden(monkeypatch: pytest.MonkeyPatch):
    after = _after(monkeypatch)
    assert 0 < int(after["GOMP_SPINCOUNT"]) < 100_000
    assert "OMP_WAIT_POLICY" not in after  # PASSIVE would be no spinning at all


@pytest.mark.parametrize(("name", "value"), [("OMP_WAIT_POLICY", "ACTIVE"), ("GOMP_SPINCOUNT", "7")])
def test_what_the_user_set_stays(monkeypatch: pytest.MonkeyPatch, name: str, value: str):
    after = _after(monkeypatch, **{name: value})
    assert after[name] == value
    assert name != "OMP_WAIT_POLICY" or "GOMP_SPINCOUNT" not in after  # it would outweigh the policy
