"""The soak in small, in this process: a run that dies at random events and is started again has the same steps."""

import random

import pytest
from composer.core import Engine, Event

from mmbert_composer.train import main
from tests.soak.compare import compare

KILLS = 6
NEVER = -1


class KilledError(BaseException):
    """Stands in for kill -9: nothing catches it."""


@pytest.fixture
def kill(monkeypatch):
    """``kill(n)``: the run dies in its n-th event from now on; gives the list of those that it survives."""
    original = Engine.run_event

    def kill(after):
        survived = []

        def run_event(engine, event):
            if len(survived) == after:
                raise KilledError(Event(event))
            survived.append(event)
            return original(engine, event)

        monkeypatch.setattr(Engine, "run_event", run_event)
        return survived

    return kill


def test_killed_at_random_events(settings, yaml_of, tmp_path, kill):
    settings["model"]["attention_out_dropout"] = 0.1
    settings["callbacks"] |= {"checkpoint_merging": {"last": 2}, "huggingface_export": {}}
    settings |= {"save_interval": "2ba", "save_num_checkpoints_to_keep": 2}
    yaml, source = str(yaml_of(settings)), random.Random(7)
    events = kill(NEVER)
    assert main([yaml, f"save_folder={tmp_path / 'whole'}"]) == 0
    places = []
    for _ in range(KILLS):
        kill(source.randrange(len(events) // 3))
        with pytest.raises(KilledError) as killed:
            main([yaml])
        places.append(killed.value.args[0])
    kill(NEVER)
    assert main([yaml]) == 0
    assert len(set(places)) > KILLS // 2, places
    comparison = compare("killed at random events", tmp_path / "whole", tmp_path / "run", allowed=0.0)
    assert comparison.is_good, comparison
    assert comparison.steps == 28
    assert (tmp_path / "run" / "merged" / "merge.json").exists()
