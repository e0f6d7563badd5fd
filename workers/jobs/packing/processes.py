"""Blocks made by several processes at once, in the order in which they are wanted.

Each process reads, decodes and encodes by itself, and sends finished bytes. It ends with the pipe
to whoever started it.
"""

import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, Pipe, wait
from types import TracebackType

from pydantic import SecretStr
from sqlalchemy.orm import sessionmaker

from app.config import Settings, environment_without_settings, read_settings
from app.db.session import make_engine
from app.db.tables import Split
from app.storage.artifacts import ArtifactStore
from workers.jobs.packing.forms import Form, ItemSource, MadeBlock
from workers.jobs.packs import PackingStopped, Span
from workers.processes import module_command

MODULE = "workers.jobs.packing.processes"
LOOK_SECONDS = 0.1
ENDED = (
    "A process that packs items was killed (out of memory?). The next attempt resumes from what is "
    "packed."
)
AHEAD = 2  # spans that a process has: the one at work, and the next


def make_blocks(
    source: ItemSource, form: Form, spans: Sequence[Span], should_stop: Callable[[], bool]
) -> Iterator[MadeBlock]:
    """Yield a block for each span, in order: by this process, or by one for each core.

    Raises:
        PackingStopped: `should_stop` asked for it.
        ArtifactMissing, OSError: as `Form.make`.
    """
    n_items = sum(end - first for first, end in spans)
    if n_items > form.few_items and (n_processes := min(_n_cores(source.settings), len(spans))) > 1:
        with Processes(source, form, n_processes) as processes:
            yield from processes.make(spans, should_stop)
        return
    for span in spans:
        if should_stop():
            raise PackingStopped
        yield form.make(source, span)


class Processes:
    """Processes that make blocks of one split in one form; they end with the `with` block."""

    def __init__(self, source: ItemSource, form: Form, n: int) -> None:
        self._started: list[tuple[subprocess.Popen[bytes], Connection]] = []
        self._told = pickle.dumps((source.project_id, source.split, form))
        self._environment = _environment(source)
        self._n = n

    def __enter__(self) -> "Processes":
        """Start them."""
        try:
            for _ in range(self._n):
                self._start()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End them, whatever they are doing."""
        self._end()

    def pids(self) -> list[int]:
        """Return the ids of the processes."""
        return [process.pid for process, _ in self._started]

    def make(self, spans: Sequence[Span], should_stop: Callable[[], bool]) -> Iterator[MadeBlock]:
        """Yield a block for each span, in order; see `make_blocks`."""
        done: dict[int, MadeBlock] = {}
        held = {connection: 0 for _, connection in self._started}
        n_handed_out = 0
        for wanted in range(len(spans)):
            while wanted not in done:
                if should_stop():
                    raise PackingStopped
                # One that is far ahead of the slowest waits: what it makes lies in memory.
                furthest = min(len(spans), wanted + AHEAD * AHEAD * len(held))
                for connection in [c for _ in range(AHEAD) for c in held]:
                    if held[connection] < AHEAD and n_handed_out < furthest:
                        _send(connection, (n_handed_out, spans[n_handed_out]))
                        held[connection] += 1
                        n_handed_out += 1
                for ready in wait(list(held), LOOK_SECONDS):
                    assert isinstance(ready, Connection)  # noqa: S101 - one of ours
                    number, made = _receive(ready)
                    held[ready] -= 1
                    done[number] = made
            yield done.pop(wanted)

    def _start(self) -> None:
        ours, theirs = Pipe()
        with theirs:
            process = subprocess.Popen(  # noqa: S603 - our own command
                [*module_command(MODULE), str(theirs.fileno())],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        self._started.append((process, ours))
        ours.send_bytes(self._told)

    def _end(self) -> None:
        for process, connection in self._started:
            connection.close()
            process.kill()
            process.wait()
        self._started = []


def _n_cores(settings: Settings) -> int:
    """Return how many cores to use: the operator's number, else all that this process may use."""
    if settings.worker_threads is not None:
        return settings.worker_threads
    import joblib  # noqa: PLC0415 - slow to import, and the processes themselves need it not

    return int(joblib.cpu_count())


def _environment(source: ItemSource) -> dict[str, str]:
    """Return the environment that gives a process the settings of its parent."""
    url = source.factory.kw["bind"].url.render_as_string(hide_password=False)
    settings = source.settings.model_copy(update={"database_url": SecretStr(url)})
    return {**environment_without_settings(), **settings.to_environment()}


def _send(connection: Connection, asked: tuple[int, Span]) -> None:
    try:
        connection.send(asked)
    except OSError:
        raise RuntimeError(ENDED) from None


def _receive(connection: Connection) -> tuple[int, MadeBlock]:
    """Return the next block that a process has made, with its number; raise what it raised.

    Raises:
        RuntimeError: the process has ended.
    """
    try:
        number, made = connection.recv()
    except (EOFError, OSError):
        raise RuntimeError(ENDED) from None
    if isinstance(made, Exception):
        raise made
    return number, made


def serve(connection: Connection, settings: Settings) -> None:
    """Make the requested blocks until the other end is closed."""
    project_id, split, form = pickle.loads(connection.recv_bytes())  # noqa: S301 - our own
    assert settings.database_url is not None  # noqa: S101 - `_environment` sets it
    engine = make_engine(settings.database_url.get_secret_value(), pool_size=1)
    store = ArtifactStore(settings.artifact_store_url)
    source = ItemSource(sessionmaker(engine), store, settings, project_id, Split(split))
    while True:
        try:
            number, span = connection.recv()
        except EOFError:
            return
        try:
            made = form.make(source, span)
        except Exception as error:  # noqa: BLE001 - raised where the blocks are wanted
            made = _sendable(error)
        connection.send((number, made))


def _sendable(error: Exception) -> Exception:
    """Return the error, or its words where it cannot be sent."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    except Exception:  # noqa: BLE001 - whatever its class does
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


if __name__ == "__main__":
    serve(Connection(int(sys.argv[1])), read_settings())
