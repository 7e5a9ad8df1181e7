import dataclasses
import json
import subprocess

from mmbert_composer.runtime.process_identity import ProcessIdentity


def test_it_is_known_whether_it_lives():
    own = ProcessIdentity.own()
    assert own.is_alive() is True
    assert ProcessIdentity.from_json(json.loads(json.dumps(own.to_json()))) == own
    assert dataclasses.replace(own, started=own.started - 1).is_alive() is False  # its pid belongs to another now
    assert dataclasses.replace(own, machine="another boot").is_alive() is None
    assert dataclasses.replace(own, machine="").is_alive() is None


def test_one_that_waits_to_be_reaped_is_dead():
    child = subprocess.Popen(["sleep", "60"])
    identity = ProcessIdentity.of(child.pid)
    assert identity.is_alive() is True
    child.kill()
    while identity.is_alive():
        pass
    assert child.returncode is None  # nobody has asked the system for its end yet
    child.wait()
    assert identity.is_alive() is False
