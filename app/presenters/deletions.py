"""Deleted projects as the API and pages show them."""

from app.db.tables import DeletedProject
from app.schemas.deletions import DeletedProjectOut


def present_deleted(deleted: DeletedProject, n_items: int, n_files: int) -> DeletedProjectOut:
    """Return the record with what is left of the project."""
    left = {"n_items_left": n_items, "n_files_left": n_files}
    own = {c: getattr(deleted, c) for c in DeletedProjectOut.model_fields if c not in left}
    return DeletedProjectOut.model_validate({**own, **left})
