"""Engines and sessions, and the wake-ups that go out with a commit."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Engine, create_engine, event, make_url, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

WAKEUPS = "wakeups"
WAKEUP_CHANNEL = "svp_jobs"
NOTIFY = text(f"NOTIFY {WAKEUP_CHANNEL}")
ANNOUNCED = "announced"
DELIVERY_CHANNEL = "svp_deliveries"
PREDICTION_CHANNEL = "svp_predictions"
NOTIFY_OF = {
    channel: text(f"NOTIFY {channel}") for channel in (DELIVERY_CHANNEL, PREDICTION_CHANNEL)
}
IDLE_SINCE = "idle_since"
Publish = Callable[[int, str], None]


@dataclass(frozen=True)
class Timeouts:
    """Limits on waiting and idling; beyond them Postgres ends the statement or transaction.

    Attributes:
        lock_seconds: for a lock that another transaction holds.
        statement_seconds: for a statement, waits included.
        idle_seconds: between two statements of a transaction.
    """

    lock_seconds: float
    statement_seconds: float
    idle_seconds: float

    @property
    def options(self) -> str:
        """Options that a connection starts with."""
        seconds = {
            "lock_timeout": self.lock_seconds,
            "statement_timeout": self.statement_seconds,
            "idle_in_transaction_session_timeout": self.idle_seconds,
        }
        return " ".join(f"-c {name}={max(1, round(1000 * s))}" for name, s in seconds.items())


# Of workers and commands: what they write may take long, and no request waits for it.
PATIENT = Timeouts(lock_seconds=120, statement_seconds=900, idle_seconds=300)


def make_engine(
    database_url: str,
    *,
    pool_size: int = 10,
    max_connections: int = 40,
    timeouts: Timeouts = PATIENT,
    ping_after_seconds: float = 1.0,
) -> Engine:
    """Return an engine on psycopg 3 for any Postgres URL; connects lazily.

    Up to 40 connections: one for each thread that FastAPI runs `def` routes in, so that none waits
    for a connection while it holds another. `options` of the URL win over the time-outs.
    """
    scheme, rest = database_url.split("://", 1)
    if scheme.split("+")[0] not in ("postgresql", "postgres"):
        raise ValueError(f"SVP_DATABASE_URL must be a postgresql:// URL, not {scheme}://.")
    url = make_url(f"postgresql+psycopg://{rest}")
    given = url.query.get("options", ())
    options = [timeouts.options, *([given] if isinstance(given, str) else given)]
    engine = create_engine(
        url.difference_update_query(["options"]),
        pool_size=pool_size,
        max_overflow=max(0, max_connections - pool_size),
        connect_args={"connect_timeout": 10, "options": " ".join(options)},
    )
    _ping_idle_connections(engine, ping_after_seconds)
    return engine


def _ping_idle_connections(engine: Engine, after_seconds: float) -> None:
    """Replace connections that broke while idle; busy ones are not checked each time.

    A connection that breaks within `after_seconds` of its last use fails one request, which a ping
    would have saved: the answer is a 503, sending again is safe, and SQLAlchemy drops what else the
    pool holds. Asking each time costs every request two more statements.
    """

    def note(_connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
        record.info[IDLE_SINCE] = time.monotonic()

    def ping(
        connection: DBAPIConnection, record: ConnectionPoolEntry, _proxy: PoolProxiedConnection
    ) -> None:
        idle_since = record.info.get(IDLE_SINCE)
        if idle_since is None or time.monotonic() - idle_since < after_seconds:
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as error:
            raise DisconnectionError from error

    event.listen(engine, "checkin", note)
    event.listen(engine, "checkout", ping)


def make_session_factory(engine: Engine, publish: Publish | None) -> sessionmaker[Session]:
    """Return a factory of sessions that call `publish(job_id, queue)` after their commit.

    Without `publish` Postgres wakes the workers that listen on WAKEUP_CHANNEL, with the commit
    itself. Either is best effort: the job row is the truth, workers look at the rows every second.
    The other channels are announced on with a broker, too.
    """
    factory = sessionmaker(engine, expire_on_commit=False)

    def notify(session: Session) -> None:
        if publish is None and session.info.pop(WAKEUPS, []):
            session.execute(NOTIFY)
        for channel in sorted(session.info.pop(ANNOUNCED, ())):
            session.execute(NOTIFY_OF[channel])

    def send_wakeups(session: Session) -> None:
        for job_id, queue in session.info.pop(WAKEUPS, []):
            if publish is not None:
                publish(job_id, queue)

    def forget_wakeups(session: Session) -> None:
        session.info.pop(WAKEUPS, None)
        session.info.pop(ANNOUNCED, None)

    event.listen(factory, "before_commit", notify)
    event.listen(factory, "after_commit", send_wakeups)
    event.listen(factory, "after_rollback", forget_wakeups)
    return factory


def wake_after_commit(session: Session, job_id: int, queue: str) -> None:
    """Remember to send a wake-up for the job once this session has committed."""
    session.info.setdefault(WAKEUPS, []).append((job_id, queue))


def announce(session: Session, channel: str) -> None:
    """Remember to wake those who listen on a channel with this session's commit."""
    session.info.setdefault(ANNOUNCED, set()).add(channel)


@contextmanager
def transaction(factory: sessionmaker[Session]) -> Iterator[Session]:
    """Yield a session; commit at the end, roll back on any error."""
    with factory() as session, session.begin():
        yield session


@contextmanager
def still(factory: sessionmaker[Session]) -> Iterator[Session]:
    """Yield a session whose statements all see what was committed when the block began.

    So it reads for as long as it likes, and nobody waits for it.
    """
    with factory() as session:
        session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        session.execute(text("SELECT 1"))  # the first statement decides what is seen
        yield session


@contextmanager
def reading(factory: sessionmaker[Session]) -> Iterator[Session]:
    """Yield a session whose statements each stand alone: no BEGIN and COMMIT around one SELECT."""
    with factory() as session:
        session.connection(execution_options={"isolation_level": "AUTOCOMMIT"})
        yield session
