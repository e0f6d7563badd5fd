"""Wall and CPU seconds by part: what waits takes no CPU, and nothing counts twice."""

import subprocess
import sys
import time

import pytest

from models.seconds import PartSeconds, Spent
from models.training.timing import Stopwatch, spent_so_far

COMPUTE = "import time\nwhile time.process_time() < 0.2: pass"


def compute(seconds: float) -> None:
    until = spent_so_far().cpu + seconds
    while spent_so_far().cpu < until:
        pass


def test_waiting_takes_wall_seconds_only() -> None:
    watch = Stopwatch("cpu")
    with watch.part("waiting"):
        time.sleep(0.1)
    assert watch.of("waiting").wall >= 0.1
    assert watch.of("waiting").cpu < 0.05


def test_computing_takes_cpu_seconds() -> None:
    watch = Stopwatch("cpu")
    for _ in range(2):
        with watch.part("computing"):
            compute(0.05)
    assert 0.1 <= watch.of("computing").cpu < 0.2
    assert watch.of("computing").wall > 0.09


def test_a_process_that_has_ended_counts() -> None:
    watch = Stopwatch("cpu")
    with watch.part("a process"):
        subprocess.run([sys.executable, "-c", COMPUTE], check=True)
    assert watch.of("a process").cpu >= 0.2


def test_a_part_within_another_counts_for_itself_alone() -> None:
    watch = Stopwatch("cpu")
    with watch.part("outer"):
        for _ in range(2):
            with watch.part("inner"):
                compute(0.05)
        time.sleep(0.02)
    assert watch.of("inner").cpu >= 0.1
    assert watch.of("outer").cpu < 0.05
    assert 0.02 <= watch.of("outer").wall < watch.of("inner").wall


def test_everything_can_count_as_one_part() -> None:
    watch = Stopwatch("cpu")
    with watch.everything_is("stability"), watch.part("inference"):
        pass
    with watch.part("selection"):
        pass
    assert set(watch.seconds.wall) == set(watch.seconds.cpu) == {"stability", "selection"}


def test_parts_of_two_watches_are_joined() -> None:
    ours = PartSeconds({"training": 1.0, "packing": 2.0}, {"training": 1.5, "packing": 0.5})
    theirs = PartSeconds({"training": 3.0}, {"training": 4.0})
    assert ours | theirs == PartSeconds(
        {"training": 3.0, "packing": 2.0}, {"training": 4.0, "packing": 0.5}
    )


def test_spent_adds_up() -> None:
    assert Spent(1.0, 2.0).plus(Spent(0.5, 0.25)) == Spent(1.5, 2.25)
    assert Spent(1.0, 2.0).less(Spent(0.5, 0.25)) == pytest.approx((0.5, 1.75))
