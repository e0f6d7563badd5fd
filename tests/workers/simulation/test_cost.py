"""What an experiment costs, in words."""

import pytest

from workers.simulation.cost import in_words, machine_factor


@pytest.mark.parametrize(
    ("hours", "words"),
    [
        (0.001, "0.1 min"),
        (0.05, "3 min"),
        (1.4, "84 min"),
        (1.5, "1.5 hours"),
        (30.0, "30 hours"),
        (410.0, "17 days"),
        (14000.0, "1.6 years"),
    ],
)
def test_it_stands_in_the_largest_fitting_unit(hours: float, words: str) -> None:
    assert in_words(hours) == words


def test_a_machine_is_measured_against_the_reference() -> None:
    assert 0.01 < machine_factor() < 1000
