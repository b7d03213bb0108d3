"""A signal decides where the ranks ask each other, and nowhere else: between two questions all of them think alike."""

import signal

import pytest

from cnncli.compute.interrupt import StopSignal
from cnncli.compute.ranks import Ranks
from cnncli.core.callers import from_program


def test_a_signal_counts_from_the_next_question_on() -> None:
    ranks = Ranks()
    with StopSignal() as stop:
        ranks.agree(stop)
        signal.raise_signal(signal.SIGTERM)
        assert stop.requested  # an evaluation need not go on
        assert stop.signum is None  # but what was agreed on still holds
        ranks.agree(stop)
        assert stop.signum == signal.SIGTERM
        assert ranks.asked_to_stop(stop)


def test_the_second_signal_ends_a_call_and_not_the_program_that_made_it() -> None:
    with from_program(), StopSignal() as stop:
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        assert stop.received == signal.SIGINT


def test_without_a_signal_nothing_stops() -> None:
    ranks, stop = Ranks(), StopSignal()
    assert not ranks.asked_to_stop(stop)
    assert (stop.requested, stop.signum) == (False, None)
