"""Signals while a run trains, in process: it ends after the step, and the same command gives the same result."""

import os
import signal

import pytest

from mmbert_composer.callbacks.checkpoint_merging import CheckpointMerging
from mmbert_composer.callbacks.sample_log import SampleLog
from mmbert_composer.checkpoints.list_checkpoints import newest_checkpoint
from mmbert_composer.checkpoints.read_checkpoint import read_checkpoint
from mmbert_composer.runtime.stop_signals import SIGNALS, StoppedError, StopSignals
from mmbert_composer.train import main
from tests.conftest import read_jsonl
from tests.test_train import rows_of, samples_of


@pytest.fixture(autouse=True)
def handlers():
    """A process that was stopped keeps its handlers, as it leaves; this one goes on."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def signal_at(patch, event, batch, number):
    """Send this process a signal when an event of a step comes, once."""
    sent = []

    def send(self, state, logger):
        if int(state.timestamp.batch) == batch and not sent:
            sent.append(os.kill(os.getpid(), number))

    patch.setattr(SampleLog, event, send)
    return sent


def without_times(rows):
    measured = ("second", "memory", "tflops")
    return [{key: row[key] for key in row if not any(word in key for word in measured)} for row in rows]


def test_a_stopped_run_goes_on_as_if_nothing_had_happened(settings, yaml_of, tmp_path, monkeypatch):
    settings["model"]["attention_out_dropout"] = 0.1
    settings["save_interval"] = "1000ba"
    settings["callbacks"]["checkpoint_merging"] = {"last": 2}
    yaml, folder = str(yaml_of(settings)), tmp_path / "run"
    assert main([yaml, f"save_folder={tmp_path / 'whole'}"]) == 0
    stops = [
        ("batch_start", 4, signal.SIGTERM, 75, (1, 5)),  # inside a segment: step 5 is finished
        ("batch_start", 7, signal.SIGUSR1, 75, (2, 8)),  # a phase's last step: its segment is closed, no evaluation
        ("eval_batch_start", 20, signal.SIGINT, 130, (4, 20)),  # in the evaluation at a phase's end
    ]
    for event, batch, number, code, (epoch, trained) in stops:
        with monkeypatch.context() as patch:
            sent = signal_at(patch, event, batch, number)
            assert main([yaml]) == code
        assert sent
        newest = newest_checkpoint(folder)
        assert (newest.epoch, newest.batch) == (epoch, trained)
        assert rows_of(folder)[-1]["batch"] == trained
        assert read_jsonl(folder / "metrics.jsonl")[-1]["signal"] == signal.Signals(number).name
        owed = read_checkpoint(newest.path)["state"]["callbacks"]["StopAtStep"]["evaluation_owed"]
        assert owed == (trained != 5)
    with monkeypatch.context() as patch:  # and in the merge at its end, where a restart only merges
        patch.setattr(CheckpointMerging, "before_merge", lambda self: os.kill(os.getpid(), signal.SIGTERM))
        assert main([yaml]) == 75
    assert not (folder / "merged").exists()
    assert main([yaml]) == 0
    assert (folder / "merged" / "model.safetensors").exists()
    whole = tmp_path / "whole"
    assert samples_of(folder) == samples_of(whole)
    assert without_times(rows_of(folder)) == without_times(rows_of(whole))
    assert rows_of(folder, "eval") == rows_of(whole, "eval")
    assert [row["batch"] for row in read_jsonl(folder / "metrics.jsonl") if row.get("event") == "resume"] == [5, 8, 20]


def test_where_there_is_nothing_to_lose_it_leaves_at_once():
    with pytest.raises(StoppedError) as stopped, StopSignals():
        os.kill(os.getpid(), signal.SIGTERM)
    assert stopped.value.exit_code == 75
    os.kill(os.getpid(), signal.SIGTERM)  # the launcher's, to a rank that is leaving: not heard


def test_the_first_signal_counts_and_a_second_ctrl_c_is_for_the_system():
    with StopSignals() as signals:
        signals.deferred = True
        os.kill(os.getpid(), signal.SIGINT)
        assert signals.received == signal.SIGINT
        assert signal.getsignal(signal.SIGINT) == signal.SIG_DFL
        os.kill(os.getpid(), signal.SIGTERM)  # Composer's launcher sends it when it hears of a Ctrl-C
        signals.install()
        assert signal.getsignal(signal.SIGINT) == signal.SIG_DFL
        with pytest.raises(StoppedError) as stopped:
            signals.end_deferral()
    assert stopped.value.exit_code == 130


def test_handlers_are_put_back():
    before = [signal.getsignal(number) for number in SIGNALS]
    with StopSignals() as signals:
        assert signal.getsignal(signal.SIGTERM) == signals._take
    assert [signal.getsignal(number) for number in SIGNALS] == before
