"""Counts how often the interval of the expected gain holds the gain of the next training.

    python -m tests.benchmarks.advice_coverage --out docs/results/advice/coverage.json

On made-up curves of the law, with the noise of trainings, and on the stored runs of docs/results.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path

import numpy as np

from app.domain.learning_curve import CurvePoint, Gain, Share, expected_gain
from workers.simulation.archive import opened

RESULTS = Path("docs/results")
N_CURVES = 100
EVALUATION_ITEMS = {"amazon-domains": 5600}
Points = list[tuple[int, float]]


@dataclass
class Coverage:
    """Gains that were foretold, and where the one that came lay; `n_none` were not foretold."""

    what: str
    n_within: int = 0
    n_above: int = 0
    n_below: int = 0
    n_none: int = 0

    def add(self, gain: Gain | None, shown: float) -> None:
        """Count one."""
        self.n_none += gain is None
        self.n_within += gain is not None and gain.low <= shown <= gain.high
        self.n_above += gain is not None and shown > gain.high
        self.n_below += gain is not None and shown < gain.low


def foretold(points: Points, n: int, n_to: int) -> Gain | None:
    """Return the gain of labeling on, by errors measured on n items."""
    curve = [CurvePoint(m, Share(round(n * (1 - error)), n)) for m, error in points]
    return expected_gain(curve, points[-1][0], n_to, np.random.default_rng(0))


def simulated(n_rounds: int, n: int, noise: float) -> Coverage:
    """Return the coverage on curves of the law, of trainings that vary by `noise`."""
    found = Coverage(f"{n_rounds} rounds, {n:,} evaluation items, training noise {noise}")
    labels = 100 * np.arange(1, n_rounds + 2)
    for seed in range(N_CURVES):
        rng = np.random.default_rng(seed)
        floor, exponent = rng.uniform(0, 0.15), rng.choice([0.2, 0.35, 0.5, 0.8, 1.2])
        mean = floor + (rng.uniform(0.25, 0.6) - floor) * (labels / 100) ** -exponent
        errors = mean + noise * np.sqrt(mean * (1 - mean)) * rng.standard_normal(len(labels))
        errors = errors.clip(0.001, 0.999)
        measured = rng.binomial(n, errors) / n
        points = list(zip(labels[:-1].tolist(), measured.tolist(), strict=False))
        found.add(foretold(points, n, int(labels[-1])), float(errors[-2] - errors[-1]))
    return found


def stored(folder: Path) -> Coverage:
    """Return the coverage of measured gains on the runs in a folder of results."""
    found = Coverage(folder.name)
    with opened(folder) as run:
        curves = list(_curves(run))
    for points, n in curves:
        for k in range(3, len(points)):
            shown = points[k - 1][1] - points[k][1]
            found.add(foretold(points[:k], n, points[k][0]), shown)
    return found


def _curves(folder: Path) -> Iterator[tuple[Points, int]]:
    """Yield each run's target and selector: (labels, error), and how many items measured it."""
    experiment = json.loads((folder / "experiment.json").read_text())["data"]
    n = experiment["n_evaluation"] or EVALUATION_ITEMS.get(experiment["name"], 1000)
    for path in sorted(folder.glob("*-seed*.jsonl")):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        for labels, error in (("n_labeled", "target_error"), ("n_labeled_before", "proxy_error")):
            yield [(x[labels], x[error]) for x in lines if x.get(error) is not None], n


def course(path: Path) -> Coverage:
    """Return the coverage on a course of the advice (tests.benchmarks.advice)."""
    found, rounds = Coverage(f"advice, {path.stem}"), json.loads(path.read_text())
    n = rounds[0]["evaluation"]["n"]
    points = [(r["n_labeled"], 1 - r["evaluation"]["n_right"] / n) for r in rounds]
    for k in range(3, len(points)):
        shown = points[k - 1][1] - points[k][1]
        found.add(foretold(points[:k], n, points[k][0]), shown)
    return found


def main() -> None:
    """Write and print the coverage of all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    rows = [course(RESULTS / "advice" / f"{name}.json") for name in ("amazon-domains", "digits")]
    rows += [stored(RESULTS / name) for name in ("amazon-small",)]
    rows += [simulated(*s) for s in product((3, 4, 6, 10), (1000, 5000), (0.01, 0.04))]
    out.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    for row in rows:
        told = row.n_within + row.n_above + row.n_below
        print(
            f"| {row.what} | {row.n_within} of {told} | {row.n_above} | {row.n_below} "
            f"| {row.n_none} |"
        )


if __name__ == "__main__":
    main()
