"""An invariant: a promise, and the statement that returns the rows that break it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Invariant:
    """One promise; `statement` returns (project_id, detail) of what breaks it."""

    name: str
    sentence: str
    statement: str
