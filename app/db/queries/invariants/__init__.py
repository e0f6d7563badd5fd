"""The invariants of the domain as SQL: each statement returns the rows that break one.

Run by `svp doctor --invariants` and after each step of the stateful test. They only read; run
them in one REPEATABLE READ transaction, so that all see the same instant.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.db.queries.invariants.history import HISTORY
from app.db.queries.invariants.labels import LABELING
from app.db.queries.invariants.progress import PROGRESS

INVARIANTS = (*LABELING, *PROGRESS, *HISTORY)


@dataclass(frozen=True)
class Violation:
    """One row that breaks a promise."""

    invariant: str
    project_id: int
    detail: str


def find_violations(session: Session) -> Iterator[Violation]:
    """Yield every row that breaks one of INVARIANTS, of projects that are not being deleted."""
    deleting = set(session.scalars(text("SELECT id FROM projects WHERE state = 'deleting'")))
    for invariant in INVARIANTS:
        for project_id, detail in session.execute(text(invariant.statement)):
            if project_id not in deleting:
                yield Violation(invariant.name, project_id, detail)
