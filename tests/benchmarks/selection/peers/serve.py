"""Answers a benchmark from the peer's own environment: a request a line in, a result a line out.

Needs only numpy. A request is {"arrays": {name: file.npy}, "n_labeled": m, "budget": b}; the first
m rows are the labeled ones. A result is {"seconds": of the selection alone, "rows": of the pool}.
"""

import contextlib
import json
import sys
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version

import numpy as np

Arrays = dict[str, np.ndarray]


def serve(package: str, select: Callable[[Arrays, int, int], Callable[[], np.ndarray]]) -> None:
    """Answer until standard input ends.

    Args:
        package: whose version is told.
        select: takes (arrays, n_labeled, budget), prepares what is no part of the selection, such
            as copies in another type, and returns the function that is timed; it returns rows of
            the pool, in the order of picking.
    """
    try:
        found = version(package)
    except PackageNotFoundError:
        found = "from source"
    print(json.dumps({"package": package, "version": found}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        arrays = {name: np.load(file) for name, file in request["arrays"].items()}
        with contextlib.redirect_stdout(sys.stderr):  # some peers print their progress
            run = select(arrays, request["n_labeled"], request["budget"])
            started = time.perf_counter()
            rows = run()
            seconds = time.perf_counter() - started
        print(json.dumps({"seconds": seconds, "rows": [int(row) for row in rows]}), flush=True)
