"""Measures how well a stopwatch tells gold from other items, with and without the even time.

Claim: with it, the time of a poll for one item or of its label tells nothing: the area under the
ROC curve is 0.5. One annotator labels one item at a time, half of them gold.

    python -m tests.benchmarks.service.bench_gold_times [--labels 400] [--out FILE.json]
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats
from sqlalchemy import text

from app.db.session import transaction
from svp_client import Client, Retries
from tests.benchmarks.rivals import write_facts
from tests.benchmarks.service.serving import PORT, Served, serve
from tests.loop import import_texts, start_labeling

OUT = Path("docs/results/service/gold_times.json")
BOOTSTRAPS = 1000


def main() -> None:
    """Measure, print and store."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--labels", type=int, default=400)
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    found = {}
    for step in (0.0, 0.05):
        with (
            tempfile.TemporaryDirectory() as folder,
            serve(Path(folder), gold_answer_seconds=step) as served,
        ):
            found[f"step of {1000 * step:.0f} ms"] = _measure(served, given.labels)
    write_facts(given.out, vars(given), found)
    print(json.dumps(found, indent=2))


def _measure(served: Served, n_labels: int) -> dict[str, Any]:
    gold_options = {"gold_fraction": 0.5, "gold_min_accuracy": 0.1, "gold_min_answers": 12}
    budgets = {"initial_budget": n_labels, "total_budget": n_labels, "reserve": 0}
    project = start_labeling(
        served.factory, served.settings, "p", n_labels, annotation=gold_options, **budgets
    )
    names = [f"gold-{i}" for i in range(n_labels)]
    with transaction(served.factory) as session:
        import_texts(session, served.settings, project, names, class_name="a")
    with served.client() as admin:
        admin.set_gold(project, dict.fromkeys(names))
    with transaction(served.factory) as session:
        gold = set(session.scalars(text("SELECT item_id FROM gold_items")))
    times: dict[str, list[float]] = {"poll": [], "label": []}
    is_gold: list[bool] = []
    url, token = f"http://127.0.0.1:{PORT}", served.token("ada")
    with Client(url, token, retries=Retries(n=0)) as ada:
        while len(is_gold) < n_labels:
            began = time.perf_counter()
            (item,) = ada.next_batch(project, 1)["items"]
            times["poll"].append(time.perf_counter() - began)
            began = time.perf_counter()
            ada.submit_labels(project, [{"item_id": item["item_id"], "class": "a"}])
            times["label"].append(time.perf_counter() - began)
            is_gold.append(item["item_id"] in gold)
    return {kind: _told_apart(np.array(took), np.array(is_gold)) for kind, took in times.items()}


def _told_apart(seconds: np.ndarray[Any, Any], is_gold: np.ndarray[Any, Any]) -> dict[str, Any]:
    """Return both medians and the area under the ROC curve with its 95% bootstrap interval."""
    gold, others = 1000 * seconds[is_gold], 1000 * seconds[~is_gold]

    def area(gold: np.ndarray[Any, Any], others: np.ndarray[Any, Any]) -> float:
        found = stats.mannwhitneyu(gold, others).statistic
        return float(found / len(gold) / len(others))

    interval = stats.bootstrap(
        (gold, others), area, n_resamples=BOOTSTRAPS, vectorized=False, rng=1
    ).confidence_interval
    return {
        "n_gold": len(gold),
        "n_others": len(others),
        "median_ms_of_gold": round(float(np.median(gold)), 2),
        "median_ms_of_others": round(float(np.median(others)), 2),
        "area_under_curve": round(area(gold, others), 3),
        "interval_95": [round(float(interval.low), 3), round(float(interval.high), 3)],
    }


if __name__ == "__main__":
    main()
