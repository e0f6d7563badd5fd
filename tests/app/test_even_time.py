"""No stopwatch tells gold from other items: answers take a multiple of one step."""

import random
import statistics
import time
from collections.abc import Callable

import pytest

from app.api.even_time import Steps
from app.config import Settings
from svp_client import Client
from tests.loop import Factory, start_labeling

STEP_SECONDS = 0.3  # longer than any answer here takes
MakeClient = Callable[..., Client]
Seconds = Callable[..., float]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"gold_answer_seconds": STEP_SECONDS})


@pytest.fixture
def spent(session_factory: Factory, settings: Settings, make_client: MakeClient) -> Seconds:
    """Seconds of each of an annotator's requests, the shortest that any of them took."""

    def shortest(gold_fraction: float) -> float:
        project = start_labeling(
            session_factory, settings, "p", 8, annotation={"gold_fraction": gold_fraction}
        )
        ada = make_client("ada", project_id=project)
        item = ada.next_batch(project, 1)["items"][0]["item_id"]
        flag, skip = (
            {"item_ids": [item], **more} for more in ({"comment": "x"}, {"reason": "other"})
        )
        asked: list[Callable[[], object]] = [
            lambda: ada.next_batch(project, 1),
            lambda: ada.renew_leases(project, [item]),
            lambda: ada.request("POST", f"/projects/{project}/flags", json=flag),
            lambda: ada.submit_labels(project, [{"item_id": item, "class": "a"}]),
            lambda: ada.withdraw_labels(project, [item]),
            lambda: ada.request("POST", f"/projects/{project}/skips", json=skip),
            lambda: ada.release_leases(project),
        ]
        times = []
        for ask in asked:
            began = time.monotonic()
            ask()
            times.append(time.monotonic() - began)
        return min(times)

    return shortest


class NoChance(random.Random):
    def uniform(self, a: float, b: float) -> float:
        del b
        return a


@pytest.mark.parametrize(
    ("before", "passed", "left"),
    [
        (0.01, 0.02, 0.03),
        (0.01, 0.06, 0.04),  # the second step
        (0.08, 0.05, 0.19),  # under load: three times the median
        (0.08, 0.11, 0.13),
    ],
)
def test_the_step_grows_with_what_answers_take(before: float, passed: float, left: float) -> None:
    steps = Steps(NoChance())
    for _ in range(50):
        steps.seconds_left(before, 0.05)
    assert steps.seconds_left(passed, 0.05) == pytest.approx(left)
    assert steps.seconds_left(passed, 0) == 0


def test_up_to_a_step_more_is_added_by_chance() -> None:
    steps = Steps()
    added = [steps.seconds_left(0.01, 0.05) - 0.04 for _ in range(400)]
    assert min(added) >= 0
    assert max(added) <= 0.05
    assert statistics.mean(added) == pytest.approx(0.025, abs=0.005)
    assert statistics.stdev(added) > 0.01


def test_each_answer_in_a_project_with_gold_takes_the_whole_step(spent: Seconds) -> None:
    assert spent(gold_fraction=0.5) >= STEP_SECONDS


def test_answers_elsewhere_take_what_they_take(spent: Seconds) -> None:
    assert spent(gold_fraction=0) < STEP_SECONDS
