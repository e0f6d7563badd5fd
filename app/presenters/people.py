"""Invitations as the API and pages show them."""

from app.db.tables import Invitation
from app.schemas.people import InvitationOut


def present_invitation(invitation: Invitation, created_by: str, *, is_open: bool) -> InvitationOut:
    """Return an invitation without its link."""
    columns = ("id", "role", "max_uses", "n_used", "created_at", "expires_at", "revoked_at")
    return InvitationOut(
        **{name: getattr(invitation, name) for name in columns},
        created_by=created_by,
        is_open=is_open,
    )


def join_path(code: str) -> str:
    """Return the path of the page that an invitation's link opens; the log leaves the query out."""
    return f"/join?code={code}"


def sign_in_path(code: str) -> str:
    """Return the path of the page that signs in by a link."""
    return f"/sign-in?code={code}"
