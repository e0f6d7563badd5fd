"""A part of the service that is a process of its own: the API, the worker."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from workers.processes import StopClock, module_command
from workers.service.logs import open_log, tail

PR_SET_PDEATHSIG = 1
# How long a signal may keep a part from running before it is killed and started again.
STOPPED_SECONDS = 10.0
LOOK_SECONDS = 5.0  # whether a part is wanted by now


class ServiceProcess:
    """`svp NAME`, with its log in a file.

    Args:
        name: the sub-command; where there are several, with a number: worker-2.
        environment: returns the environment variables that it starts with.
        log: its log, which a new start appends to.
        stop_seconds: the time it gets to stop cleanly.
        arguments: of the sub-command.
    """

    def __init__(
        self,
        name: str,
        environment: Callable[[], dict[str, str]],
        log: Path,
        stop_seconds: float,
        arguments: Sequence[str] = (),
    ) -> None:
        self.name = name
        self.log = log
        self.process: subprocess.Popen[bytes] | None = None
        self._environment = environment
        self._stop_seconds = stop_seconds
        self._arguments = tuple(arguments)
        self._stopped = StopClock()

    def start(self) -> None:
        """Start the process; it ends with this one."""
        output = open_log(self.log)
        try:
            self.process = subprocess.Popen(  # noqa: S603 - our own command
                [
                    *module_command("workers.cli.main"),
                    self.name.partition("-")[0],
                    *self._arguments,
                ],
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Its own session: a terminal's Ctrl-C reaches the supervisor alone.
                start_new_session=True,
                preexec_fn=_end_with_parent(),  # noqa: PLW1509 - it only calls into libc
            )
        finally:
            os.close(output)
        self._stopped = StopClock(self.process.pid)

    def fault(self) -> str | None:
        """Return why it no longer works, None while it does; kill one that a signal has stopped."""
        if self.process is None:
            return "it was not started"
        if self._stopped.seconds() > STOPPED_SECONDS:
            self._kill()
            return f"a signal had stopped it for {STOPPED_SECONDS:.0f} s; it was killed"
        if self.process.poll() is None:
            return None
        return f"it ended with code {self.process.returncode}: {tail(self.log)}"

    def stop(self) -> None:
        """Stop it cleanly, or by force if that takes too long."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(self._stop_seconds)
        except subprocess.TimeoutExpired:
            self._kill()
        self.process = None

    def _kill(self) -> None:
        assert self.process is not None  # noqa: S101 - callers have looked
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class WantedProcess(ServiceProcess):
    """A part that is started once it is wanted: until then it costs nothing and has no fault."""

    def __init__(
        self,
        process: ServiceProcess,
        is_wanted: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        vars(self).update(vars(process))
        self._is_wanted = is_wanted
        self._clock = clock
        self._look_at = clock()

    def start(self) -> None:
        """Start the process if it is wanted."""
        if self._is_wanted():
            super().start()

    def fault(self) -> str | None:
        """Return why it no longer works; start it if it is wanted by now."""
        if self.process is not None:
            return super().fault()
        if self._clock() >= self._look_at:
            self._look_at = self._clock() + LOOK_SECONDS
            self.start()
        return None


def _end_with_parent() -> Callable[[], object] | None:
    """Return the call by which a child lets the kernel end it when its supervisor dies."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)  # loaded here: between fork and exec only the call is safe
    return lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
