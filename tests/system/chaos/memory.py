"""Memory over many small rounds without faults: is it flat?"""

import time
from typing import Any

import numpy as np
from scipy import stats

from tests.benchmarks.rivals import machine
from tests.system.chaos.ledger import Ledger
from tests.system.chaos.people import CLASSES, TINY, Annotator, World, texts
from tests.system.chaos.sampling import MemorySampler
from tests.system.chaos.services import Service

ROUND_BUDGET = 4
N_ANNOTATORS = 4
WARM_UP_ROUNDS = 5
ROLES = ("supervisor", "api", "worker")
# A service that runs 1,000 rounds may grow by a quarter of a gigabyte, not more.
MOST_MEGABYTES_PER_ROUND = 0.25
DONE_SECONDS = 900.0


def measure_memory(service: Service, n_rounds: int) -> dict[str, Any]:
    """Return the megabytes of each process after each round, and their slopes with intervals."""
    service.start()
    world = World(service, Ledger(), seed=1)
    sampler = MemorySampler(service, world.now)
    samples: dict[str, list[float]] = {role: [] for role in ROLES}
    with service.client(service.admin_token) as admin:
        project = int(
            admin.create_project(
                name="memory", modality="text", classes=CLASSES, proxy=TINY, target=TINY,
                initial_budget=ROUND_BUDGET, round_budget=ROUND_BUDGET,
                total_budget=ROUND_BUDGET * (n_rounds + 1), reserve=0,
            )["id"]
        )  # fmt: skip
        admin.import_items(project, texts(project, 0, ROUND_BUDGET * (n_rounds + 20)))
        admin.start(project)
        world.active.append(project)
        names = [f"annotator {i}" for i in range(N_ANNOTATORS)]
        annotators = [
            Annotator(world, name, admin.create_token(name, all_projects=True), i)
            for i, name in enumerate(names)
        ]
        for annotator in annotators:
            annotator.start()
        try:
            _sample_rounds(admin.project, project, n_rounds, sampler, samples)
        finally:
            world.is_over.set()
    for annotator in annotators:
        annotator.join(30)
    slopes = {role: _slope(sizes) for role, sizes in samples.items()}
    problems = [
        f"{role} grows by {slope['megabytes_per_round']} MB a round ({slope['interval_95']})"
        for role, slope in slopes.items()
        if slope["interval_95"][0] > 0 and slope["megabytes_per_round"] > MOST_MEGABYTES_PER_ROUND
    ]
    return {
        "machine": machine(),
        "n_rounds": n_rounds,
        "verdict": "bad" if problems else "good",
        "problems": problems,
        "n_labels": world.ledger.counts["labels acknowledged"],
        "warm_up_rounds": WARM_UP_ROUNDS,
        "most_megabytes_per_round": MOST_MEGABYTES_PER_ROUND,
        "slopes": slopes,
        "megabytes_after_round": samples,
    }


def _sample_rounds(
    read: Any, project: int, n_rounds: int, sampler: MemorySampler, samples: dict[str, list[float]]
) -> None:
    number, deadline = 0, time.monotonic() + DONE_SECONDS
    while number < n_rounds:
        assert time.monotonic() < deadline, f"only {number} rounds in {DONE_SECONDS:.0f} s"
        newest = read(project)["round"]
        if newest is None or newest["number"] <= number:
            time.sleep(0.1)
            continue
        number = newest["number"]
        sizes = sampler.sample()
        for role in ROLES:
            if role in sizes:
                samples[role].append(sizes[role])
        shown = " ".join(f"{role} {sizes.get(role, 0):.1f}M" for role in ROLES)
        print(f"round {number}: {shown}"[:80], flush=True)  # noqa: T201


def _slope(sizes: list[float]) -> dict[str, Any]:
    """Return the line through the sizes after the warm-up, with the slope's 95% interval."""
    kept = np.asarray(sizes[WARM_UP_ROUNDS:])
    rounds = np.arange(len(kept))
    line = stats.linregress(rounds, kept)
    half = float(np.nan_to_num(stats.t.ppf(0.975, len(kept) - 2) * line.stderr))  # sizes all alike
    return {
        "megabytes_per_round": round(float(line.slope), 4),
        "interval_95": [round(float(line.slope) - half, 4), round(float(line.slope) + half, 4)],
        "first": float(kept[0]),
        "last": float(kept[-1]),
    }
