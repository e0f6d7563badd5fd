"""A log that cannot be written, as on a full disk, stops nothing."""

import subprocess
import sys
import textwrap
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from workers.jobs import worker
from workers.jobs.process import Child

FULL = Path("/dev/full")
pytestmark = pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")


def test_events_are_dropped(tmp_path: Path) -> None:
    script = """
        import pathlib
        import structlog
        from app.config import Settings
        from app.logging import configure_logging

        configure_logging(Settings())
        for _ in range(3):
            structlog.get_logger().warning("worker.look_failed", reason="no room")
        pathlib.Path("done").touch()
    """
    with FULL.open("w") as full:
        command = [sys.executable, "-c", textwrap.dedent(script)]
        subprocess.run(command, stdout=full, stderr=full, check=False, cwd=tmp_path)
    assert (tmp_path / "done").exists()


def test_a_child_is_heard_on(monkeypatch: pytest.MonkeyPatch) -> None:
    talk = "import sys; sys.stderr.write(('x' * 999 + '\\n') * 2000 + 'end\\n')"
    with suppress(OSError), FULL.open("w", buffering=1) as full:  # closing it fails as writing does
        monkeypatch.setattr(sys, "stderr", full)
        child = Child([sys.executable, "-c", talk])
        code = child.wait(60)
        monkeypatch.undo()
    assert code == 0
    assert child.tail[-1] == "end"


def test_a_worker_that_loses_a_thread_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    signals: list[int] = []
    monkeypatch.setattr("os.kill", lambda _pid, number: signals.append(number))
    monkeypatch.setattr(threading, "excepthook", worker.end_process)

    def fail() -> None:
        raise OSError("No space left on device")

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    assert len(signals) == 1
