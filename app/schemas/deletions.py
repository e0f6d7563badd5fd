"""Responses of deleted projects."""

from datetime import datetime

from app.schemas.bodies import Response


class DeletedProjectOut(Response):
    """The record of a deleted project, and what is still on the disks; `ended_at`: no row is."""

    id: int
    name: str
    deleted_by: str
    deleted_at: datetime
    ended_at: datetime | None
    n_items: int
    n_items_left: int
    n_files_left: int
