"""Statements on tokens and annotators."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, bindparam, exists, false, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.db.tables import Annotator, Membership, Token, TokenAnnotator
from app.domain.roles import Grant, Right, Role, rights_in


@dataclass(frozen=True)
class Caller:
    """The caller of a request: by a token, or by the session of a browser."""

    annotator_id: int
    name: str
    grants: tuple[Grant, ...]
    act_as: bool = False
    token_id: int | None = None
    session_id: int | None = None

    def may(self, right: Right, project_id: int | None = None) -> bool:
        """Return whether it has the right in this project; None: in the whole service."""
        return right in rights_in(self.grants, project_id)

    def reaches(self, project_id: int) -> bool:
        """Return whether it may do anything in this project."""
        return any(grant.reaches(project_id) for grant in self.grants)

    @property
    def project_ids(self) -> list[int] | None:
        """Ids of the projects that it reaches; None: all of them."""
        ids = {grant.project_id for grant in self.grants}
        return None if None in ids else sorted(id_ for id_ in ids if id_ is not None)


LEADING = (Role.ADMIN, Role.LEAD)
IS_LIVE = (
    Token.revoked_at.is_(None),
    or_(Token.expires_at.is_(None), Token.expires_at > func.now()),
)
_LIVE = (
    select(Annotator.id, Annotator.name, Token.role, Token.act_as, Token.project_id, Token.id)
    .join(Token, Token.annotator_id == Annotator.id)
    .where(Token.token_hash == bindparam("token_hash"), *IS_LIVE)
)
_ACTED_FOR = (
    select(Annotator.id)
    .join(
        TokenAnnotator,
        (TokenAnnotator.annotator_id == Annotator.id)
        & (TokenAnnotator.token_id == bindparam("token_id")),
    )
    .where(Annotator.name == bindparam("name"))
)


def live_by_hash(session: Session, token_hash: bytes) -> Caller | None:
    """Return who holds the token, unless it is unknown, revoked or expired."""
    row = session.execute(_LIVE, {"token_hash": token_hash}).one_or_none()
    if row is None:
        return None
    annotator_id, name, role, act_as, project_id, token_id = row
    return Caller(annotator_id, name, (Grant(Role(role), project_id),), act_as, token_id)


def belongs_elsewhere(session: Session, name: str, project_id: int | None) -> bool:
    """Return whether this name is an admin's, or reaches beyond the project.

    By a live token, or by a membership.

    Args:
        session: whose transaction this is.
        name: of an annotator.
        project_id: None: only an admin's counts.
    """

    def is_beyond(
        kind: type[Token | Membership], *more: ColumnElement[bool]
    ) -> ColumnElement[bool]:
        other = false() if project_id is None else kind.project_id.is_distinct_from(project_id)
        is_theirs = (kind.annotator_id == Annotator.id, Annotator.name == name)
        return exists().where(*is_theirs, *more, or_(kind.role.in_(LEADING), other))

    found = select(or_(is_beyond(Token, *IS_LIVE), is_beyond(Membership)))
    return bool(session.scalar(found))


def acted_for(session: Session, token_id: int, name: str) -> int | None:
    """Return the id of the annotator of this name if the token has acted for them before."""
    return session.scalar(_ACTED_FOR, {"token_id": token_id, "name": name})


def lock_token(session: Session, token_id: int) -> Token:
    """Return the token, locked, so that two requests cannot both take its last place."""
    return session.scalars(
        select(Token).where(Token.id == token_id).with_for_update(key_share=True)
    ).one()


def n_acted_for(session: Session, token_id: int) -> int:
    """Return for how many annotators the token has acted."""
    return session.scalar(select(func.count()).where(TokenAnnotator.token_id == token_id)) or 0


def note_acting(session: Session, token_id: int, annotator_id: int) -> None:
    """Record that the token acts for this annotator."""
    session.execute(
        insert(TokenAnnotator)
        .values(token_id=token_id, annotator_id=annotator_id)
        .on_conflict_do_nothing()
    )


def annotator_id(session: Session, name: str) -> int:
    """Return the id of the annotator of this name, inserted if there is none."""
    session.execute(insert(Annotator).values(name=name).on_conflict_do_nothing())
    return session.scalars(select(Annotator.id).where(Annotator.name == name)).one()


def annotator_ids(session: Session, names: Sequence[str]) -> dict[str, int]:
    """Return name -> id of these annotators, those inserted that there are not.

    Pass the names sorted: two transactions that insert some of the same then never wait for each
    other.
    """
    if names:
        rows = [{"name": name} for name in names]
        session.execute(insert(Annotator).values(rows).on_conflict_do_nothing())
    return ids_by_name(session, names)


def ids_by_name(session: Session, names: Sequence[str]) -> dict[str, int]:
    """Return name -> id of the annotators of these names that exist."""
    rows = session.execute(select(Annotator.name, Annotator.id).where(Annotator.name.in_(names)))
    return {name: id_ for name, id_ in rows}  # noqa: C416 - dict(rows) loses the types


def names_by_id(session: Session, annotator_ids: Sequence[int]) -> dict[int, str]:
    """Return id -> name of these annotators."""
    rows = session.execute(
        select(Annotator.id, Annotator.name).where(Annotator.id.in_(annotator_ids))
    )
    return {id_: name for id_, name in rows}  # noqa: C416 - dict(rows) loses the types


def any_token(session: Session) -> bool:
    """Return whether a token was ever created."""
    return session.scalar(select(Token.id).limit(1)) is not None


def list_all(session: Session) -> list[tuple[Token, str]]:
    """Return every token with its annotator's name, oldest first."""
    rows = session.execute(
        select(Token, Annotator.name)
        .join(Annotator, Annotator.id == Token.annotator_id)
        .order_by(Token.id)
    )
    return [(token, name) for token, name in rows]


def revoke(session: Session, token_id: int) -> bool:
    """Revoke the token; False if there is none."""
    row = session.execute(
        update(Token)
        .where(Token.id == token_id)
        .values(revoked_at=func.coalesce(Token.revoked_at, func.now()))
        .returning(Token.id)
    ).one_or_none()
    return row is not None
