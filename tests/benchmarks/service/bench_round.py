"""One project from its import to its third round, in the embedded stack, by parts.

    python -m tests.benchmarks.service.bench_round --folder /tmp/svp-bench --items 1000000 \
        --out docs/results/service/round_1m.json

Round 0 is uniform, round 1 selects by margin, round 2 by k-centers among a candidate pool. Pollers
ask for items all the time; what they wait while a round changes is kept apart: from a batch's last
label until the next batch is handed out. Memory is the proportional share of all processes.
"""

import argparse
import asyncio
import random
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import psutil

from app.config import Settings
from svp_client import Client
from svp_client.types import BatchItem, Round
from tests.benchmarks.rivals import write_facts
from tests.benchmarks.service.bench_import import WORDS
from tests.benchmarks.service.serving import Wire, milliseconds
from workers.service.stack import Stack

CLASSES = ("negative", "positive")
ITEMS_A_REQUEST = 500_000
CHUNK_ITEMS = 2000
LABELS_A_REQUEST = 1000
SAMPLE_SECONDS = 1.0
POLL_SECONDS = 0.2
POLLED_SECONDS = 5.0  # before a round changes
RECIPE = {"epochs": 3, "buckets": 100_000}
K_CENTERS = {
    "strategy": "k_centers", "selection": {"candidates": {"kind": "uniform", "n": 50_000}},
}  # fmt: skip


class Memory(threading.Thread):
    """Samples the megabytes of each kind of process that the bench has started."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peaks: dict[str, int] = defaultdict(int)
        self._ended = threading.Event()

    def run(self) -> None:
        """Sample until `end`."""
        while not self._ended.wait(SAMPLE_SECONDS):
            found: dict[str, int] = defaultdict(int)
            for process in psutil.process_iter(["cmdline", "ppid"]):
                kind = _kind_of(process.info["cmdline"] or [])
                if kind is not None:
                    found[kind] += _megabytes(process.pid)
            found["all"] = sum(found.values())
            for kind, size in found.items():
                self.peaks[kind] = max(self.peaks[kind], size)

    def end(self) -> dict[str, int]:
        """Stop sampling; return the largest of each kind."""
        self._ended.set()
        self.join()
        return dict(self.peaks)


def _kind_of(command: list[str]) -> str | None:
    words = " ".join(command)
    kinds = {
        "workers.jobs.child": "job", "workers.jobs.pack": "packing", "main worker": "worker",
        "main api": "api", "postgres": "postgres",
    }  # fmt: skip
    return next((kind for sign, kind in kinds.items() if sign in words), None)


def _megabytes(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    kilobytes = [int(line.split()[1]) for line in lines if line.startswith("Pss:")]
    return sum(kilobytes) // 1024


class Pollers:
    """Annotators who poll once a second, give their items back, and note what they waited."""

    def __init__(self, port: int, tokens: list[str], project: int) -> None:
        self.waits: list[tuple[float, float]] = []  # (when it was asked, seconds)
        self._port, self._tokens, self._project = port, tokens, project
        self._ended = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._poll_all()), daemon=True)

    def start(self) -> None:
        """Begin to poll."""
        self._thread.start()

    def end(self) -> None:
        """Stop polling."""
        self._ended.set()
        self._thread.join()

    def between(self, first: float, last: float) -> list[float]:
        """Return the waits of polls that were asked, or still waited, in this time."""
        return [wait for asked, wait in self.waits if asked + wait >= first and asked <= last]

    async def _poll_all(self) -> None:
        await asyncio.gather(*[self._poll(token) for token in self._tokens])

    async def _poll(self, token: str) -> None:
        wire = Wire(token, *await asyncio.open_connection("127.0.0.1", self._port))
        await asyncio.sleep(random.random())
        while not self._ended.is_set():
            asked = time.perf_counter()
            seconds, answer = await wire.ask("GET", f"/projects/{self._project}/next-batch?size=2")
            self.waits.append((asked, seconds))
            if answer["items"]:
                await wire.ask("POST", f"/projects/{self._project}/leases/release", {})
            await asyncio.sleep(max(0.0, 1.0 - seconds))


class Bench:
    """The steps of one run, and the seconds that each took."""

    def __init__(self, stack: Stack, client: Client, args: argparse.Namespace) -> None:
        self.stack, self.client, self.args = stack, client, args
        self.rng = random.Random(args.seed)
        self.facts: dict[str, Any] = {}
        self.project = int(
            client.create_project(
                name=f"round-{time.time_ns()}", modality="text", classes=list(CLASSES),
                proxy={"model": "fasttext", "recipe": RECIPE},
                target={"model": "fasttext", "recipe": RECIPE},
                strategy="margin", initial_budget=args.budget, round_budget=args.budget,
                total_budget=10 * args.budget, reserve=args.budget,
            )["id"]
        )  # fmt: skip

    def import_items(self) -> None:
        """Import the items by some requests."""
        n, began = self.args.items, time.perf_counter()
        for first in range(0, n, ITEMS_A_REQUEST):
            self.client.request(
                "POST", f"/projects/{self.project}/items",
                content=self._lines(first, min(first + ITEMS_A_REQUEST, n)),
                headers={"Content-Type": "application/x-ndjson"},
            )  # fmt: skip
        seconds = time.perf_counter() - began
        self.facts["import"] = {"seconds": seconds, "rows_per_second": round(n / seconds)}
        self._say("import")

    def _lines(self, first: int, end: int) -> Iterator[bytes]:
        for start in range(first, end, CHUNK_ITEMS):
            yield b"".join(
                orjson.dumps({"external_id": f"r-{i}", "text": self._text(i)}) + b"\n"
                for i in range(start, min(start + CHUNK_ITEMS, end))
            )

    def _text(self, i: int) -> str:
        return f"{' '.join(self.rng.choices(WORDS, k=self.args.words))} {i % 977}"

    def start(self) -> None:
        """Start the project; wait for the first item."""
        began = time.perf_counter()
        self.client.start(self.project)
        self._wait_for_batch()
        self.facts["start_to_first_item"] = time.perf_counter() - began
        self._say("start_to_first_item")

    def wait_until_packed(self) -> None:
        """Wait until no packing is at work."""
        began = time.perf_counter()
        while any(self._is_packing(job) for job in self.client.jobs(self.project)):
            time.sleep(POLL_SECONDS)
        self.facts["packed_after"] = time.perf_counter() - began
        self._say("packed_after")

    def _is_packing(self, job: Any) -> bool:
        return job["kind"] == "pack" and job["state"] in ("queued", "running")

    def change_round(self, number: int, changes: dict[str, Any] | None = None) -> None:
        """Label a round's batch to its end; note what it takes until the next one is there."""
        if changes:
            self.client.change_project(self.project, **changes)
        rest = self._label_most()
        with self.polled() as pollers:
            time.sleep(POLLED_SECONDS)
            asked = time.perf_counter()
            self.client.submit_labels(self.project, rest)
            last = time.perf_counter()
            while (round_ := self._newest_round())["number"] < number or (
                round_["state"] != "labeling"
            ):
                time.sleep(POLL_SECONDS)
            published = time.perf_counter()
        seconds = round_["seconds"]
        computed = sum(seconds.get(name, 0.0) for name in ("training", "inference", "selection"))
        whole = published - last
        self.facts[f"round_{number}"] = {
            "strategy": round_["strategy"], "last_label_seconds": last - asked,
            "until_next_batch": whole, "neither_of_the_three": whole - computed, "parts": seconds,
            "polls_ms": milliseconds(pollers.between(asked, published)),
            "polls_before_ms": milliseconds(pollers.between(0.0, asked)),
        }  # fmt: skip
        self._say(f"round_{number}")

    def _label_most(self) -> list[dict[str, Any]]:
        """Label the batch but for its last part, which stays leased; return that part's labels."""
        n_left = self.args.budget
        while True:
            items = self.client.next_batch(self.project, min(n_left, LABELS_A_REQUEST))["items"]
            labels = [{"item_id": item["item_id"], "class": class_of(item)} for item in items]
            n_left -= len(labels)
            if n_left == 0:
                return labels
            self.client.submit_labels(self.project, labels)

    def _newest_round(self) -> Round:
        return self.client.rounds(self.project)[-1]

    def _wait_for_batch(self) -> None:
        while not self.client.next_batch(self.project, 1)["items"]:
            time.sleep(POLL_SECONDS)

    def _say(self, name: str) -> None:
        print(f"{name}: {self.facts[name]}", flush=True)

    @contextmanager
    def polled(self) -> Iterator[Pollers]:
        """Let pollers ask for items during the block."""
        tokens = [
            self.client.create_token(f"poller {i} {time.time_ns()}", project=self.project)
            for i in range(self.args.pollers)
        ]
        pollers = Pollers(self.stack.port, tokens, self.project)
        pollers.start()
        try:
            yield pollers
        finally:
            pollers.end()


def class_of(item: BatchItem) -> str:
    """Return the class that an annotator of these texts gives."""
    return CLASSES["good" in (item["content"]["text"] or "")]


def disk_megabytes(folder: Path) -> dict[str, int]:
    """Return the megabytes on disk of each part of the data folder."""
    return {
        part.name: sum(f.stat().st_blocks for f in part.rglob("*") if f.is_file()) * 512 // 10**6
        for part in sorted(folder.iterdir())
        if part.is_dir()
    }


def main() -> None:
    """Print and keep the seconds of each part, memory and disk."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--words", type=int, default=18)
    parser.add_argument("--budget", type=int, default=5_000)
    parser.add_argument("--pollers", type=int, default=50)
    parser.add_argument("--rest", type=float, default=20.0, help="Seconds until the start.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    memory = Memory()
    with (
        Stack(Settings(data_folder=args.folder, port=0, max_leases_per_annotator=10_000)) as stack,
        Client(stack.url, stack.create_admin_token(), timeout=3600) as client,
    ):
        memory.start()
        bench = Bench(stack, client, args)
        bench.import_items()
        time.sleep(args.rest)
        bench.start()
        bench.wait_until_packed()
        bench.change_round(1)
        bench.change_round(2, K_CENTERS)
        bench.facts["peak_megabytes"] = memory.end()
        bench.facts["disk_megabytes"] = disk_megabytes(args.folder)
    print(bench.facts["peak_megabytes"], bench.facts["disk_megabytes"])
    write_facts(args.out, vars(args), bench.facts)


if __name__ == "__main__":
    main()
