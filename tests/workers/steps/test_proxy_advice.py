"""Advice on the proxy: the cheapest candidate that reaches the ceiling, within a budget."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from models.catalog import resolve_setup
from models.data.arrays import Vectors
from models.seconds import PartSeconds
from workers.steps.comparison import Compared, SampleScores
from workers.steps.proxy_advice import Candidate, ProxyAdvice, advise_proxy
from workers.steps.round import RoundInputs
from workers.steps.stages import Arrays, Stages

TARGET = resolve_setup("probe", {"epochs": 30})
GOOD, WEAK = TARGET, resolve_setup("probe", {"epochs": 1, "learning_rate": 1e-6})


@pytest.fixture
def inputs() -> RoundInputs:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 200)
    vectors = (rng.normal(size=(200, 6)) + labels[:, None]).astype(np.float32)
    labeled = np.arange(0, 200, 4)
    return RoundInputs(Vectors(vectors), labeled, labels[labeled], labeled, 2, 0)


def advise(
    inputs: RoundInputs,
    candidates: list[Candidate],
    seconds: float = 1e6,
    folder: Path | None = None,
) -> ProxyAdvice:
    scores = SampleScores(
        Compared("margin", 10, 1, TARGET), lambda _: inputs, 120, stages=Stages(folder)
    )
    return advise_proxy(scores, candidates, seconds)


def test_takes_the_cheapest_of_those_that_reach_the_ceiling(inputs: RoundInputs) -> None:
    twice = resolve_setup("probe", {"epochs": 60})
    candidates = [Candidate("long", twice), Candidate("weak", WEAK), Candidate("good", GOOD)]
    found = advise(inputs, candidates)
    assert [m.name for m in found.comparison.models] == ["long", "weak", "good"]
    assert "good" in found.reaching
    assert "weak" not in found.reaching
    assert found.recommended == found.reaching[0]
    seconds = [found.selection_seconds[name] for name in found.reaching]
    assert seconds == sorted(seconds)
    assert set(found.selection_seconds) == {"long", "weak", "good", "target"}


def test_none_is_recommended_where_none_reaches_it(inputs: RoundInputs) -> None:
    found = advise(inputs, [Candidate("weak", WEAK)])
    assert (found.reaching, found.recommended) == ([], None)


def _of_no_time(scores: np.ndarray) -> tuple[Arrays, PartSeconds]:
    return {"scores": scores}, PartSeconds()


def test_none_is_recommended_where_two_targets_do_not_agree(inputs: RoundInputs) -> None:
    rng = np.random.default_rng(1)
    by_chance = {name: rng.random(120) for name in ("target", "target again", "good")}
    scores = SampleScores(Compared("margin", 10, 1, TARGET), lambda _: inputs, 120)
    for name, drawn in by_chance.items():
        scores.stages.do(name, partial(_of_no_time, drawn))
    found = advise_proxy(scores, [Candidate("good", GOOD)], 1e6)
    assert found.comparison.ceiling.low <= 0
    assert found.recommended is None


def test_no_candidate_begins_once_the_seconds_are_spent_in_this_run_or_before(
    inputs: RoundInputs, tmp_path: Path
) -> None:
    both = [Candidate("good", GOOD), Candidate("weak", WEAK)]
    found = advise(inputs, both, 1e-9, tmp_path)
    assert found.not_tried == ["good", "weak"]
    assert found.comparison.models == []
    assert found.comparison.ceiling.value > 0.5
    again = advise(inputs, both, 1e6, tmp_path)
    assert again.not_tried == []
    assert again.comparison.ceiling == found.comparison.ceiling, "the target is not trained again"
    assert again.comparison.targets == found.comparison.targets
