"""The seconds left of a whole run."""

import pytest

from cnncli.training.pace import Pace


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def epoch(pace: Pace, clock: Clock, number: int, epochs: int, training: float, rest: float) -> None:
    pace.begin(number, epochs)
    clock.now += training
    pace.trained()
    clock.now += rest
    pace.end()


def test_the_first_epoch_goes_by_its_own_pace(clock: Clock) -> None:
    pace = Pace(clock)
    assert pace.left(0.5) is None, "outside of an epoch"
    pace.begin(1, 10)
    assert pace.left(0.0) is None, "nothing is known yet"
    clock.now += 5
    assert pace.left(0.5) == pytest.approx(5 + 9 * 10)


def test_evaluation_is_counted_and_epochs_to_come(clock: Clock) -> None:
    pace = Pace(clock)
    epoch(pace, clock, 1, 10, training=10, rest=2)
    pace.begin(2, 10)
    assert pace.left(0.0) == pytest.approx(9 * 12)
    clock.now += 5
    assert pace.left(0.5) == pytest.approx(5 + 2 + 8 * 12)
    clock.now += 5
    pace.trained()
    clock.now += 1
    assert pace.left(0.5) == pytest.approx(1 + 8 * 12)


def test_a_slow_first_epoch_is_forgotten_and_a_slower_pace_seen(clock: Clock) -> None:
    pace = Pace(clock)
    for number, seconds in enumerate((100, 10, 10), 1):
        epoch(pace, clock, number, 10, training=seconds, rest=0)
    pace.begin(4, 10)
    assert pace.left(0.0) == pytest.approx(70)
    clock.now += 16  # where 8 would be usual
    left = pace.left(0.8)
    assert left is not None
    assert left > 6 * 10 + 3


def test_a_resumed_epoch_counts_what_it_does_itself(clock: Clock) -> None:
    pace = Pace(clock)
    pace.begin(3, 4, done=0.5)
    clock.now += 5
    assert pace.left(0.75) == pytest.approx(5 + 20)
    clock.now += 5
    pace.end()
    pace.begin(4, 4)
    assert pace.left(0.0) == pytest.approx(20)


def test_after_the_last_epoch_nothing_is_left_of_the_run(clock: Clock) -> None:
    pace = Pace(clock)
    epoch(pace, clock, 10, 10, training=10, rest=2)
    pace.trained()
    assert not pace.running
    assert pace.left(0.5) is None
