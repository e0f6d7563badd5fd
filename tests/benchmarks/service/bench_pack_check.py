"""What a round asks Postgres about a pool that is packed: marks of its rows against its contents.

    python -m tests.benchmarks.service.bench_pack_check --folder /tmp/svp-bench \
        --out docs/results/service/pack_check.json

The peer is what was asked before: hashes of all contents, made in the database. Both sides ask by
the same blocks and on as many connections as the packing does.
"""

import argparse
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.db.queries import items
from app.db.session import transaction
from app.db.tables import Split
from tests.benchmarks.rivals import Rival, compare, write_result
from tests.benchmarks.service.bench_next_batch import FILL_ITEMS
from tests.benchmarks.service.serving import Served, serve
from tests.loop import create_draft
from workers.jobs.packing.forms import MOST_BLOCK_ITEMS
from workers.jobs.packing.splits import BLOCKS_A_QUERY, CONNECTIONS

Ask = Callable[[Session, int, str, list[tuple[int, int]]], list[str]]


def fill(served: Served, n_items: int) -> int:
    """Return the id of a new project of so many texts."""
    with transaction(served.factory) as session:
        project = create_draft(session, f"pack check {n_items}")
        session.execute(text(FILL_ITEMS), {"project": project.id, "n": n_items})
    with served.factory.kw["bind"].connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("VACUUM ANALYZE"))
    return project.id


def ask_all(served: Served, project: int, n_items: int, ask: Ask) -> None:
    """Ask about all blocks of the pool."""
    starts = range(0, n_items, MOST_BLOCK_ITEMS)
    blocks = [(start, min(start + MOST_BLOCK_ITEMS, n_items)) for start in starts]
    parts = [blocks[k : k + BLOCKS_A_QUERY] for k in range(0, len(blocks), BLOCKS_A_QUERY)]

    def ask_part(part: list[tuple[int, int]]) -> None:
        with transaction(served.factory) as session:
            assert len(ask(session, project, Split.POOL, part)) == len(part)

    with ThreadPoolExecutor(CONNECTIONS) as threads:
        list(threads.map(ask_part, parts))


def main() -> None:
    """Print and keep seconds of both sides, and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    with serve(args.folder) as served:
        project = fill(served, args.items)
        side = partial(ask_all, served, project, args.items)
        found = compare(
            Rival("hashes of contents", partial(side, items.content_digests)),
            [Rival("marks of rows", partial(side, items.row_marks))],
            args.repeats,
        )
    write_result(args.out, vars(args), {"asking Postgres": found})


if __name__ == "__main__":
    main()
