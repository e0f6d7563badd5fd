"""From the answer to a round's last label to the first training step, in the embedded stack.

    python -m tests.benchmarks.service.bench_start_of_training --folder /tmp/svp-bench \
        --out docs/results/service/start_of_training.json

`svp up`'s parts: embedded Postgres, which wakes, and a worker with its warm spare child. The
last label's POST is timed to the instant that the next job reports its first epoch; in between lie
the commit, the message, the claim, the snapshot and the packing of the texts.
"""

import argparse
import statistics
import time
from pathlib import Path

from app.config import Settings
from svp_client import Client
from svp_client.types import BatchItem
from tests.benchmarks.rivals import write_facts
from workers.service.stack import Stack

RECIPE = {"epochs": 400, "buckets": 500}  # long enough that the first epoch is seen
CLASSES = ["negative", "positive"]
TEXTS = ("it broke at once", "it works as it should")
POLL_SECONDS = 0.005


def start_project(client: Client, number: int, n_items: int) -> int:
    """Return a new running project whose round 0 holds two items."""
    spec = {"model": "fasttext", "recipe": RECIPE}
    project = int(
        client.create_project(
            name=f"start-{number}-{time.time_ns()}", modality="text", classes=CLASSES,
            proxy=spec, target=spec, strategy="least_confidence",
            initial_budget=2, round_budget=2, total_budget=8, reserve=0,
        )["id"]
    )  # fmt: skip
    client.import_items(
        project,
        ({"external_id": f"r-{i}", "text": f"{TEXTS[i % 2]} number {i}"} for i in range(n_items)),
    )
    client.start(project)
    return project


def wait_for_items(client: Client, project: int) -> list[BatchItem]:
    """Return the round's two items as soon as they are handed out."""
    while True:
        items = client.next_batch(project, 2)["items"]
        if len(items) == 2:
            return items
        time.sleep(0.1)


def measure(client: Client, number: int, n_items: int, rest_seconds: float) -> dict[str, float]:
    """Return seconds from the last label's request, and from its answer, to the first epoch."""
    project = start_project(client, number, n_items)
    items = wait_for_items(client, project)
    time.sleep(rest_seconds)  # annotators take longer; the spare child is warm again
    first, last = ({"item_id": x["item_id"], "class": CLASSES[i]} for i, x in enumerate(items))
    client.submit_labels(project, [first])
    asked = time.perf_counter()
    client.submit_labels(project, [last])
    answered = time.perf_counter()
    while not client.jobs(project)[0]["progress"].get("epoch"):
        time.sleep(POLL_SECONDS)
    stepped = time.perf_counter()
    client.request("POST", f"/projects/{project}/cancel")
    return {"from_request": stepped - asked, "from_answer": stepped - answered}


def main() -> None:
    """Print and keep the seconds of each repeat and their median."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--items", type=int, default=1000)
    parser.add_argument("--rest", type=float, default=12.0, help="Seconds before the labels.")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    found = []
    with (
        Stack(Settings(data_folder=args.folder, port=0)) as stack,
        Client(stack.url, stack.create_admin_token()) as client,
    ):
        for number in range(args.repeats + 1):
            found.append(measure(client, number, args.items, args.rest))
            print(found[-1], flush=True)
    counted = found[1:]  # the first one warms up
    medians = {
        f"median_{since}": statistics.median(one[since] for one in counted)
        for since in ("from_request", "from_answer")
    }
    print(medians)
    results = {"seconds": found, **medians}
    write_facts(args.out, vars(args), results)


if __name__ == "__main__":
    main()
