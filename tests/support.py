"""Functions that tests of several folders share."""

import os
import socket
import time
from collections.abc import Callable

import pytest


def require(condition: bool, reason: str) -> None:
    """Skip the test unless the condition holds; with SVP_REQUIRE_ALL=1 a skip is a failure."""
    if not condition:
        if os.environ.get("SVP_REQUIRE_ALL") == "1":
            pytest.fail(f"{reason}, and SVP_REQUIRE_ALL=1 allows no skip")
        pytest.skip(reason)


def wait_for(condition: Callable[[], bool], seconds: float) -> float:
    """Return after how many seconds the condition held; fail after `seconds`."""
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < seconds, "it did not come true in time"
        time.sleep(0.05)
    return time.monotonic() - start


def is_open(port: int) -> bool:
    """Return whether something listens on this port here."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
