"""The soak in small, in this process: a run that dies at random events and is started again has the same steps."""

import random
from collections import Counter

import pytest
from composer.core import Engine, Event

from mmbert_composer.train import main
from tests.soak.compare import compare

KILLS = 6


class KilledError(BaseException):
    """Stands in for kill -9: nothing catches it."""


@pytest.fixture
def kill(monkeypatch):
    """``kill(n)``: the run dies in its n-th event from now on; ``events``: how often each was survived."""
    original = Engine.run_event
    events = Counter()

    def kill(after):
        left = iter(range(after))

        def run_event(engine, event):
            if next(left, None) is None:
                raise KilledError(event)
            events[Event(event)] += 1
            return original(engine, event)

        monkeypatch.setattr(Engine, "run_event", run_event)

    kill.events = events
    return kill


def test_killed_at_random_events(settings, yaml_of, tmp_path, kill):
    settings["model"]["attention_out_dropout"] = 0.1
    settings["callbacks"] |= {"checkpoint_merging": {"last": 2}, "huggingface_export": {}}
    settings |= {"save_interval": "2ba", "save_num_checkpoints_to_keep": 2}
    yaml, source = str(yaml_of(settings)), random.Random(7)
    kill(10**9)
    assert main([yaml, f"save_folder={tmp_path / 'whole'}"]) == 0
    events = sum(kill.events.values())
    places = []
    for _ in range(KILLS):
        kill(source.randrange(events // 3))
        with pytest.raises(KilledError) as killed:
            main([yaml])
        places.append(killed.value.args[0])
    kill(10**9)
    assert main([yaml]) == 0
    assert len(set(places)) > KILLS // 2, places
    comparison = compare("killed at random events", tmp_path / "whole", tmp_path / "run", allowed=0.0)
    assert comparison.is_good, comparison
    assert comparison.steps == 28
    assert (tmp_path / "run" / "merged" / "merge.json").exists()
