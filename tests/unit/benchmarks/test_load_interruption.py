from __future__ import annotations

import signal

import pytest

from benchmarks.load.trials.interruption import Interruption


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_raises_at_once_until_it_is_deferred_to_a_check(number):
    with Interruption() as interruption:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
    with Interruption() as interruption:
        interruption.defer()
        interruption.check()
        signal.raise_signal(number)
        with pytest.raises(KeyboardInterrupt):
            interruption.check()


def test_the_former_handlers_come_back_and_an_ignored_signal_stays_ignored():
    before = signal.getsignal(signal.SIGINT), signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with Interruption() as interruption:
            assert signal.getsignal(signal.SIGINT) != before[0]
            interruption.defer()
            signal.raise_signal(signal.SIGTERM)
            interruption.check()
        assert signal.getsignal(signal.SIGINT) == before[0]
    finally:
        signal.signal(signal.SIGTERM, before[1])
