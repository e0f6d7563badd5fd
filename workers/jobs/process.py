"""A job's process as its supervisor sees it."""

import contextlib
import os
import re
import select
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Sequence
from typing import IO, TextIO

from app.logging import LossyStream
from workers.jobs.protocol import DONE, READY, READY_FD
from workers.processes import StopClock

TAIL_LINES = 15
LOG_LINES = 300
MOST_LOG_CHARS = 60_000
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
END_SECONDS = 0.02  # from the end of its pipes to that of a process


class Child:
    """A Python process that waits with torch imported until it gets a job.

    Once it is done it either exits, or says that it waits for another one.
    """

    def __init__(self, command: Sequence[str]) -> None:
        ready, said = os.pipe()
        os.set_blocking(ready, False)
        self._ready: int | None = ready
        self.process = subprocess.Popen(  # noqa: S603 - our own command
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
            pass_fds=[said],
            env={**os.environ, READY_FD: str(said)},
        )
        os.close(said)
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)  # of what it says in trouble
        self.lines: deque[str] = deque(maxlen=LOG_LINES)  # of all that it writes
        self.killed_because: str | None = None
        self._stopped = StopClock(self.process.pid)
        out, err = self.process.stdout, self.process.stderr
        assert out is not None and err is not None  # noqa: S101, PT018 - piped above
        self._readers = [
            threading.Thread(target=self._pass_through, args=(out, sys.stdout, []), daemon=True),
            threading.Thread(
                target=self._pass_through, args=(err, sys.stderr, [self.tail]), daemon=True
            ),
        ]
        for reader in self._readers:
            reader.start()

    def send(self, line: str) -> None:
        """Write a line to the child; if it has gone, its exit code tells later."""
        assert self.process.stdin is not None  # noqa: S101 - piped above
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(line)
            self.process.stdin.flush()

    def kill(self, because: str | None = None) -> None:
        """Kill the child and all that it started."""
        self.killed_because = because
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._close()

    def wait(self, seconds: float) -> int | None:
        """Return how the job ended, or None if it still runs after `seconds`.

        That is the exit code, or DONE where the child waits for another job.
        """
        assert self._ready is not None  # noqa: S101 - it has not been waited for to its end
        select.select([self._ready], [], [], seconds)  # readable at READY, and at the end
        with contextlib.suppress(BlockingIOError):
            if os.read(self._ready, len(READY)):
                return DONE
        try:
            code = self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            return None
        self._close()
        return code

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    def seconds_stopped(self) -> float:
        """Return how long a signal has kept it from running, as far as was observed."""
        return self._stopped.seconds()

    def why_it_ended(self, code: int) -> str:
        """Return why an attempt ended, with the child's last words."""
        if self.killed_because is not None:
            why = f"killed, as {self.killed_because}"
        elif code < 0:
            name = signal.Signals(-code).name
            why = f"killed by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
        else:
            why = f"exit code {code}"
        return f"{why}: " + "\n".join(self.tail)

    @property
    def log(self) -> str:
        """What it wrote last, as plain text."""
        written = COLOUR.sub("", "\n".join(list(self.lines)))
        return written[-MOST_LOG_CHARS:].replace("\0", "")

    def _close(self) -> None:
        assert self.process.stdin is not None  # noqa: S101 - piped above
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        for reader in self._readers:
            reader.join(timeout=2)
        if self._ready is not None:
            os.close(self._ready)
            self._ready = None

    def forget(self) -> None:
        """Forget what was written for the job before."""
        self.tail.clear()
        self.lines.clear()

    def _pass_through(self, pipe: IO[str], place: TextIO, more: Sequence[deque[str]]) -> None:
        """Write on to this process's own stream what the child writes, and keep the last lines."""
        log = LossyStream(place)  # if nothing read it, the child would wait forever
        with pipe:
            for line in pipe:
                for kept in (self.lines, *more):
                    kept.append(line.rstrip())
                log.write(line)
