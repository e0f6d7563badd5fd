"""Engines and sessions, and the wake-ups that go out after a commit."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.orm import Session, sessionmaker

WAKEUPS = "wakeups"
Publish = Callable[[int, str], None]


def make_engine(database_url: str, *, pool_size: int = 10) -> Engine:
    """Return an engine on psycopg 3 for any Postgres URL; connects lazily.

    Up to 40 connections: one for each thread that FastAPI runs `def` routes in, so that none waits
    for a connection while it holds another.
    """
    scheme, rest = database_url.split("://", 1)
    if scheme.split("+")[0] not in ("postgresql", "postgres"):
        raise ValueError(f"SVP_DATABASE_URL must be a postgresql:// URL, not {scheme}://.")
    return create_engine(
        f"postgresql+psycopg://{rest}",
        pool_size=pool_size,
        max_overflow=40 - pool_size,
        pool_pre_ping=True,
        connect_args={"connect_timeout": 10},
    )


def make_session_factory(engine: Engine, publish: Publish) -> sessionmaker[Session]:
    """Return a factory of sessions that call `publish(job_id, queue)` after their commit.

    The message is best effort: the job row is the truth and a sweeper sends it again.
    """
    factory = sessionmaker(engine, expire_on_commit=False)

    def send_wakeups(session: Session) -> None:
        for job_id, queue in session.info.pop(WAKEUPS, []):
            publish(job_id, queue)

    def forget_wakeups(session: Session) -> None:
        session.info.pop(WAKEUPS, None)

    event.listen(factory, "after_commit", send_wakeups)
    event.listen(factory, "after_rollback", forget_wakeups)
    return factory


def wake_after_commit(session: Session, job_id: int, queue: str) -> None:
    """Remember to send a wake-up for the job once this session has committed."""
    session.info.setdefault(WAKEUPS, []).append((job_id, queue))


@contextmanager
def transaction(factory: sessionmaker[Session]) -> Iterator[Session]:
    """Yield a session; commit at the end, roll back on any error."""
    with factory() as session, session.begin():
        yield session


@contextmanager
def reading(factory: sessionmaker[Session]) -> Iterator[Session]:
    """Yield a session whose statements each stand alone: no BEGIN and COMMIT around one SELECT."""
    with factory() as session:
        session.connection(execution_options={"isolation_level": "AUTOCOMMIT"})
        yield session
