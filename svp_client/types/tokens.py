"""Answers about tokens."""

from typing import TypedDict


class Token(TypedDict):
    """A token without its secret."""

    id: int
    name: str
    role: str
    act_as: bool
    annotators: list[str] | None
    max_annotators: int
    project_id: int | None
    created_at: str
    expires_at: str | None
    revoked_at: str | None
