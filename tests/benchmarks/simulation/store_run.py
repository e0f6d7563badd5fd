"""Stores a run in docs/results: one archive of its files, and its report without the HTML page.

python -m tests.benchmarks.simulation.store_run out/NAME docs/results/NAME
"""

import argparse
from pathlib import Path

from workers.reports.report import write_report
from workers.simulation.archive import ARCHIVE, pack


def main() -> None:
    """Store one run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    page = write_report([given.run], given.out).path
    page.unlink()  # holds the pictures once more; `svp report` writes it again
    pack(given.run, given.out / ARCHIVE)


if __name__ == "__main__":
    main()
