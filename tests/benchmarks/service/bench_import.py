"""Import of texts by one HTTP request against a bare COPY into the same table, indexes in place.

    python -m tests.benchmarks.service.bench_import --folder /tmp/svp-bench \
        --out docs/results/service/import.json

Both sides send a file of the same rows: the service NDJSON, which it checks, deduplicates and
numbers; COPY finished rows. The table is emptied before each turn. Also kept: the largest resident
memory of the API process, and what sending all once more takes, which changes nothing.
"""

import argparse
import random
import re
import time
from collections.abc import Iterator
from pathlib import Path

import orjson
import psycopg
from sqlalchemy import text

from app.db.session import transaction
from svp_client import Client
from tests.benchmarks.rivals import Measured, Rival, compare, write_result
from tests.benchmarks.service.serving import Served, serve
from tests.loop import create_draft

CHUNK_BYTES = 1 << 16
COPY = "COPY items (project_id, split, index, external_id, text) FROM STDIN"
WORDS = ("good", "bad", "fast", "slow", "broken", "delivered", "again", "never", "price", "quality")


def write_lines(path: Path, n_items: int, seed: int) -> None:
    """Write items as NDJSON."""
    rng = random.Random(seed)
    with path.open("wb") as file:
        for i in range(n_items):
            words = " ".join(rng.choices(WORDS, k=18))
            file.write(orjson.dumps({"external_id": f"r-{i}", "text": words}) + b"\n")


def write_rows(path: Path, lines: Path, project: int) -> None:
    """Write the same items as rows of COPY's text format."""
    with path.open("w") as file, lines.open("rb") as given:
        for i, line in enumerate(given):
            item = orjson.loads(line)
            file.write(f"{project}\tpool\t{i}\t{item['external_id']}\t{item['text']}\n")


def chunks(path: Path) -> Iterator[bytes]:
    """Yield the file's bytes."""
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


class Sides:
    """Both sides of the comparison, each on a project of its own and an empty table."""

    def __init__(self, served: Served, lines: Path) -> None:
        self.served, self.lines, self.rows = served, lines, lines.with_suffix(".copy")
        self.client: Client = served.client()
        self.project = 0

    def copy(self) -> Measured:
        """COPY the rows, in one transaction."""
        write_rows(self.rows, self.lines, self._empty_project())
        started = time.perf_counter()
        with (
            psycopg.connect(self.served.database_url) as connection,
            connection.cursor() as cursor,
            cursor.copy(COPY) as copy,
        ):
            for chunk in chunks(self.rows):
                copy.write(chunk)
        return Measured(time.perf_counter() - started)

    def post(self) -> Measured:
        """Import the lines by one request."""
        self.project = self._empty_project()
        started = time.perf_counter()
        self.send()
        return Measured(time.perf_counter() - started)

    def send(self) -> dict[str, int]:
        """POST the lines to the newest project and return the counts."""
        answer = self.client.request(
            "POST",
            f"/projects/{self.project}/items",
            content=chunks(self.lines),
            headers={"Content-Type": "application/x-ndjson"},
        )
        counts: dict[str, int] = answer.json()
        assert counts["n_failed"] == 0
        return counts

    def _empty_project(self) -> int:
        with transaction(self.served.factory) as session:
            session.execute(text("TRUNCATE items CASCADE"))
            return create_draft(session, f"import-{time.time_ns()}").id

    def peak_megabytes(self) -> int:
        """Return the largest resident memory that the API process has had."""
        status = Path(f"/proc/{self.served.api.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+)", status)
        assert found
        return int(found[1]) // 1024


def main() -> None:
    """Print and keep seconds of both sides, memory, and the second sending."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    with serve(args.folder) as served:
        lines = args.folder / "items.ndjson"
        write_lines(lines, args.items, args.seed)
        sides = Sides(served, lines)
        results = compare(
            Rival("bare COPY", sides.copy), [Rival("POST items, NDJSON", sides.post)], args.repeats
        )
        again = sides.send()
        assert again["n_known"] == args.items
        notes = {"api_peak_megabytes": sides.peak_megabytes(), "rows": args.items}
        print(notes)
    write_result(args.out, vars(args), {"import": results}, notes)


if __name__ == "__main__":
    main()
