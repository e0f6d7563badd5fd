"""Sessions of people in a browser: begun by a link or with a token, ended by them or by time."""

import secrets
from datetime import timedelta

from sqlalchemy.orm import Session

from app.config import Settings
from app.db.queries import tokens, web_sessions
from app.db.queries.tokens import Caller
from app.domain.errors import NotAuthenticated
from app.domain.names import normalised
from app.domain.roles import Role
from app.services.tokens import authenticate, hash_of

# How often a session in use is written to: a page or a label must not cost a write each time.
SEEN_EVERY = timedelta(minutes=5)
LINK_LIFETIME = timedelta(minutes=15)
ADMIN = "admin"


def create_admin_link(session: Session, name: str = ADMIN) -> str:
    """Return the code of a link that signs an admin in, once; its person becomes an admin.

    Raises:
        InvalidName: the name is blank or invisible.
    """
    annotator_id = tokens.annotator_id(session, normalised(name))
    web_sessions.grant(session, annotator_id, Role.ADMIN, None)
    code = secrets.token_urlsafe(32)
    web_sessions.insert_link(session, hash_of(code), annotator_id, LINK_LIFETIME)
    return code


def sign_in_address(base_url: str, settings: Settings, code: str) -> str:
    """Return the link of a code. The code stands in the query, which the log leaves out."""
    return f"{base_url.rstrip('/')}{settings.root_path}/sign-in?code={code}"


def sign_in_by_link(session: Session, code: str, settings: Settings) -> str:
    """Use up a link; return the secret of the session that begins.

    Raises:
        NotAuthenticated: the link is unknown, used or too old.
    """
    annotator_id = web_sessions.use_link(session, hash_of(code))
    if annotator_id is None:
        raise NotAuthenticated(
            "This link was used before, or is too old. Print a new one with `svp sign-in-link`."
        )
    return begin_session(session, annotator_id, settings)


def sign_in_by_token(session: Session, token: str, settings: Settings) -> str:
    """Return the secret of a new session that may do what the token may.

    Raises:
        NotAuthenticated: the token is unknown, revoked or expired.
    """
    caller = authenticate(session, token)
    return begin_session(session, caller.annotator_id, settings, token_id=caller.token_id)


def begin_session(
    session: Session, annotator_id: int, settings: Settings, *, token_id: int | None = None
) -> str:
    """Return the secret of a new session; only its hash is stored."""
    secret = secrets.token_urlsafe(32)
    lifetime = lifetime_of(settings)
    web_sessions.insert_session(session, hash_of(secret), annotator_id, token_id, lifetime)
    return secret


def authenticate_session(session: Session, secret: str, settings: Settings) -> Caller:
    """Return who is signed in; a session in use lives on.

    Raises:
        NotAuthenticated: the session is unknown, was ended or has expired.
    """
    found = web_sessions.live_by_hash(session, hash_of(secret), SEEN_EVERY)
    if found is None:
        raise NotAuthenticated("You are signed out: sign in again.")
    caller, is_stale = found
    if is_stale and caller.session_id is not None:
        web_sessions.note_seen(session, caller.session_id, lifetime_of(settings))
    return caller


def authenticate_named(session: Session, name: str) -> Caller:
    """Return the person whom a proxy has signed in; known from now on, if they were not.

    Raises:
        InvalidName: the name is blank or invisible.
    """
    known = normalised(name)
    ids = tokens.ids_by_name(session, [known])
    annotator_id = ids[known] if ids else tokens.annotator_id(session, known)
    return Caller(annotator_id, known, web_sessions.grants_of(session, annotator_id))


def sign_out(session: Session, caller: Caller, *, everywhere: bool = False) -> None:
    """End the caller's session, or all of theirs: on every device."""
    if everywhere:
        web_sessions.revoke_all(session, caller.annotator_id)
    elif caller.session_id is not None:
        web_sessions.revoke(session, caller.session_id)


def lifetime_of(settings: Settings) -> timedelta:
    """Return how long a session lives after its last use."""
    return timedelta(days=settings.session_days)
