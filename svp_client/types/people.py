"""Answers about the people of a project."""

from typing import TypedDict


class Member(TypedDict):
    """A person with a role in the project."""

    name: str
    role: str
    joined_at: str
    last_seen_at: str | None


class Invitation(TypedDict):
    """An invitation without its link."""

    id: int
    role: str
    max_uses: int
    n_used: int
    created_by: str
    created_at: str
    expires_at: str
    revoked_at: str | None
    is_open: bool


class Progress(TypedDict):
    """One annotator's own progress: items done and items held."""

    n_labeled: int
    n_skipped: int
    n_held: int
