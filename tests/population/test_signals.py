"""Signals: who handles them while a study runs, and who does afterwards."""

import os
import signal
import threading

import pytest

from jaxmlp.population.signals import interruptible


@pytest.fixture(autouse=True)
def handlers():
    """The handlers of before, whatever a test does."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield before
    for number, handler in before.items():
        signal.signal(number, handler)


def test_the_first_signal_is_recorded_and_the_handlers_come_back(handlers):
    with interruptible(True) as interruption:
        assert not interruption
        os.kill(os.getpid(), signal.SIGINT)
        assert interruption and interruption.signal == signal.SIGINT
        assert signal.getsignal(signal.SIGINT) == handlers[signal.SIGINT]  # a second one ends the process
    assert {number: signal.getsignal(number) for number in handlers} == handlers
    with pytest.raises(KeyboardInterrupt, match="^train_many: saved; the same call continues from here$"):
        interruption.leave()
    with pytest.raises(KeyboardInterrupt, match="^train_many: interrupted; nothing is kept without a directory$"):
        interruption.leave(is_saved=False)


def test_a_signal_that_is_ignored_stays_ignored():
    """Under nohup, or as a background job of a script, Ctrl-C for the foreground must not end the study."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with interruptible(True) as interruption:
        os.kill(os.getpid(), signal.SIGINT)
    assert not interruption
    interruption.leave()  # nothing to leave for


def test_a_handler_that_python_does_not_know_stays(monkeypatch):
    """In a program that embeds Python, `signal.getsignal` may return None."""
    monkeypatch.setattr(signal, "getsignal", lambda number: None)
    changed = []
    monkeypatch.setattr(signal, "signal", lambda *arguments: changed.append(arguments))
    with interruptible(True):
        pass
    assert changed == []


@pytest.mark.parametrize("wanted", [True, False])
def test_other_threads_and_studies_in_memory_leave_signals_alone(handlers, wanted):
    seen = []

    def look():
        with interruptible(wanted):
            seen.append({number: signal.getsignal(number) for number in handlers})

    if wanted:
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
    else:
        look()
    assert seen == [handlers]
