"""Compares how cheaper models and the target order a uniform sample of the pool.

Every model is trained on the labels at hand and scores the sample by the strategy. The target is
trained twice, with two seeds: how far these two agree is the ceiling, which no proxy can be
expected to pass. Source: Selection via Proxy, section 4.3, figures 3 and 4 (Spearman's correlation
between models), here on the unlabeled items that a selection would choose from.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from app.domain.audit import TARGETS
from models.catalog import ModelSetup
from models.seconds import PartSeconds
from models.training.timing import Stopwatch
from models.training.train import TrainedModel
from selection.arrays import FloatArray, IntArray
from selection.catalog import Purpose, Signal, find_strategy
from selection.rank import rank
from selection.types import Ranking
from workers.steps.pool_scorer import PoolScorer, ScoredPool, fitting_features
from workers.steps.round import RoundInputs
from workers.steps.stages import Arrays, Stages
from workers.steps.training import RoundHooks, random_stream, train_watched

Floats = npt.NDArray[np.float64]
InputsOf = Callable[[ModelSetup], RoundInputs]

N_DRAWS = 500
TAIL = 0.025
FEWEST_TOP = 20


@dataclass(frozen=True)
class Compared:
    """A request to compare models with the target.

    Attributes:
        strategy: whose scores are compared; one that needs a model.
        budget: of the project's next batch.
        seed: of the project; the second target has the next one.
        target: the model that others are compared with.
        uses_brought: whether the strategy takes brought features where it wants features.
    """

    strategy: str
    budget: int
    seed: int
    target: ModelSetup
    uses_brought: bool = False


@dataclass(frozen=True)
class Measure:
    """A measured value with its 95% bootstrap interval over the items of the sample."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class ModelAgreement:
    """Agreement of a model with the target on the order of the sample, and its cost.

    Attributes:
        name: of the model in this comparison.
        correlation: Spearman's, of the scores; the mean with both targets.
        overlap: share of the top items that the target has among its own; the mean likewise.
        gap: the ceiling's correlation less this one.
        train_seconds, train_cpu_seconds: of its training.
        score_seconds: of scoring the sample.
    """

    name: str
    correlation: Measure
    overlap: Measure
    gap: Measure
    train_seconds: float
    train_cpu_seconds: float
    score_seconds: float


@dataclass(frozen=True)
class Comparison:
    """Models beside the target.

    Attributes:
        strategy: whose scores were compared.
        n_sample: unlabeled items that every model scored.
        n_pool: unlabeled items in all.
        n_top: of the sample, the best that count for the overlap: as many as the budget is of the
            pool, and at least some.
        ceiling, ceiling_overlap: of two trainings of the target with different seeds.
        targets: what the trainings of the target cost.
        models: in the order in which they were asked for.
    """

    strategy: str
    n_sample: int
    n_pool: int
    n_top: int
    ceiling: Measure
    ceiling_overlap: Measure
    targets: list[dict[str, float]]
    models: list[ModelAgreement]


class SampleScores:
    """Trains models on the labels at hand and lets each score the same uniform sample."""

    def __init__(  # noqa: PLR0913 - by name: where it runs, how it is watched
        self,
        asked: Compared,
        inputs_of: InputsOf,
        n_sample: int,
        *,
        device: str = "cpu",
        hooks: RoundHooks | None = None,
        stages: Stages | None = None,
    ) -> None:
        """Prepare; nothing is trained yet.

        Args:
            asked: what is compared.
            inputs_of: gives the labels and the pool as a model takes them.
            n_sample: items to score; fewer where the pool has no more.
            device: "cpu" or "cuda[:i]".
            hooks: how trainings are watched, stopped and resumed.
            stages: what was done before.
        """
        self.asked = asked
        self.stages = stages or Stages()
        self._inputs_of, self._device = inputs_of, device
        self._hooks = hooks or RoundHooks()
        inputs = inputs_of(asked.target)
        pool_index = np.setdiff1d(np.arange(len(inputs.pool)), inputs.excluded_index)
        rng = random_stream(asked.seed, 0, "audit sample")
        self.n_pool = len(pool_index)
        self.sample = np.sort(rng.permutation(pool_index)[:n_sample])

    def targets(self) -> Floats:
        """Return the scores by both trainings of the target, [2, n_sample]."""
        return np.stack(
            [self.of(name, self.asked.target, number) for number, name in enumerate(TARGETS)]
        )

    def of(self, name: str, setup: ModelSetup, number: int = 0) -> Floats:
        """Return the scores by a model, [n_sample], higher = sooner; `number` varies its seed.

        Raises:
            TrainingStopped: the hooks asked for it.
        """

        def work() -> tuple[Arrays, PartSeconds]:
            inputs, watch = self._inputs_of(setup), Stopwatch(self._device)
            seed = self.asked.seed + number
            trained = train_watched(setup, inputs.labeled, seed, watch, self._hooks)
            return {"scores": self._score(inputs, trained, watch)}, watch.seconds

        return self.stages.do(name, work)["scores"]

    def _score(self, inputs: RoundInputs, trained: TrainedModel, watch: Stopwatch) -> Floats:
        info = find_strategy(self.asked.strategy, Purpose.BATCH)
        brought: FloatArray | None = None
        if self.asked.uses_brought and Signal.FEATURES in info.needs:
            brought = fitting_features(inputs.features, len(inputs.pool))
        pool = ScoredPool(inputs.pool, self.sample, inputs.labeled_index, brought)
        scorer = PoolScorer(pool, info.needs, trained, watch)
        n = len(self.sample)
        signals = scorer.measure(np.arange(n))
        with watch.part("selection"):
            stream = random_stream(self.asked.seed, 0, "audit strategy")
            ranking = rank(self.asked.strategy, signals, n, stream)
        is_pointwise = info.needs == {Signal.PROBS} and not info.draws
        return scores_by_row(ranking, is_pointwise=is_pointwise)


def scores_by_row(ranking: Ranking, *, is_pointwise: bool) -> Floats:
    """Return a full ranking's score of each row.

    Strategies that choose each item for those chosen before have no score of an item alone: there
    the place in the ranking counts.
    """
    n = len(ranking.rows)
    found = np.empty(n)
    found[ranking.rows] = ranking.scores if is_pointwise else np.arange(n, 0, -1)
    return found


def compare(scores: SampleScores, names: Sequence[str], models: Floats) -> Comparison:
    """Return how far models order the sample as the target does.

    Args:
        scores: what trained and scored them, the target included.
        names: of the models.
        models: their scores, [k, n_sample].
    """
    asked, n = scores.asked, len(scores.sample)
    n_top = top_of_sample(n, scores.n_pool, asked.budget)
    both = np.concatenate([scores.targets(), models])
    rng = random_stream(asked.seed, 0, "audit bootstrap")
    draws = [np.arange(n), *rng.integers(0, n, (N_DRAWS, n))]
    # [1 + draws, k + 2, 2]: of each model with either target; the sample as it is comes first.
    correlations = np.stack([_correlations(both[:, rows]) for rows in draws])
    overlaps = np.stack([_overlaps(both[:, rows], n_top) for rows in draws])
    ceiling, ceiling_overlap = correlations[:, 1, 0], overlaps[:, 1, 0]
    return Comparison(
        strategy=asked.strategy,
        n_sample=n,
        n_pool=scores.n_pool,
        n_top=n_top,
        ceiling=_measure(ceiling),
        ceiling_overlap=_measure(ceiling_overlap),
        targets=[_cost(scores.stages, name) for name in TARGETS],
        models=[
            ModelAgreement(
                name,
                _measure(correlations[:, 2 + k].mean(axis=1)),
                _measure(overlaps[:, 2 + k].mean(axis=1)),
                _measure(ceiling - correlations[:, 2 + k].mean(axis=1)),
                **_cost(scores.stages, name),
            )
            for k, name in enumerate(names)
        ],
    )


def top_of_sample(n_sample: int, n_pool: int, budget: int) -> int:
    """Return how many of the sample stand for a batch of so many out of the pool."""
    fair = round(n_sample * min(1.0, budget / max(n_pool, 1)))
    return max(1, min(n_sample // 2, max(fair, FEWEST_TOP)))


def _correlations(scores: Floats) -> Floats:
    """Return Spearman's correlation of each row of scores with the first two, [rows, 2]."""
    ranks = rankdata(scores, axis=1)
    ranks -= ranks.mean(axis=1, keepdims=True)
    lengths = np.sqrt((ranks**2).sum(axis=1))
    products = ranks @ ranks[:2].T
    scale = np.maximum(lengths[:, None] * lengths[None, :2], 1e-12)  # equal scores agree with none
    found: Floats = products / scale
    return found


def _overlaps(scores: Floats, n_top: int) -> Floats:
    """Return the share of each row's top items that the first two have among theirs, [rows, 2]."""
    order = np.argsort(-scores, axis=1, kind="stable")[:, :n_top]
    is_top = np.zeros(scores.shape, bool)
    np.put_along_axis(is_top, order, values=True, axis=1)
    shared: IntArray = is_top.astype(np.int64) @ is_top[:2].T.astype(np.int64)
    return shared / n_top


def _measure(drawn: Floats) -> Measure:
    """Return the first value with the interval of the others."""
    low, high = np.quantile(drawn[1:], (TAIL, 1 - TAIL))
    value = float(drawn[0])
    return Measure(value, min(float(low), value), max(float(high), value))


def _cost(stages: Stages, name: str) -> dict[str, float]:
    training = stages.spent_on(name, "training")
    return {
        "train_seconds": training.wall,
        "train_cpu_seconds": training.cpu,
        "score_seconds": stages.spent_on(name).wall - training.wall,
    }


def as_json(found: Comparison) -> dict[str, Any]:
    """Return the comparison as JSON values."""
    return asdict(found)
