"""Tables of annotators: their tokens, memberships and sessions in a browser."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, LargeBinary, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.tables.base import CASCADE, Base, created_now, one_of, primary_key, reference
from app.domain.roles import Role


class Annotator(Base):
    """A person (or the oracle) who gives labels."""

    __tablename__ = "annotators"

    id: Mapped[int] = primary_key()
    name: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime] = created_now()


class Token(Base):
    """A bearer token, stored as its SHA-256; the token is the annotator."""

    __tablename__ = "tokens"
    __table_args__ = (one_of("role", Role),)

    id: Mapped[int] = primary_key()
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    annotator_id: Mapped[int] = reference("annotators.id")
    role: Mapped[str]
    act_as: Mapped[bool] = mapped_column(server_default=text("false"))
    annotators: Mapped[list[str] | None]  # with act_as: only for these names; NULL = for any
    max_annotators: Mapped[int] = mapped_column(server_default=text("50"))
    project_id: Mapped[int | None] = mapped_column(ForeignKey("projects.id", ondelete=CASCADE))
    created_at: Mapped[datetime] = created_now()
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class TokenAnnotator(Base):
    """An annotator whom a tool's token has acted for: their leases count as the token's."""

    __tablename__ = "token_annotators"

    token_id: Mapped[int] = mapped_column(
        ForeignKey("tokens.id", ondelete=CASCADE), primary_key=True, autoincrement=False
    )
    annotator_id: Mapped[int] = mapped_column(
        ForeignKey("annotators.id", ondelete=CASCADE), primary_key=True, autoincrement=False
    )
    created_at: Mapped[datetime] = created_now()


class Membership(Base):
    """A person's role in a project, or in all of them; what their sessions may do."""

    __tablename__ = "memberships"
    __table_args__ = (
        one_of("role", Role),
        # A person has one role in a project.
        UniqueConstraint("annotator_id", "project_id", postgresql_nulls_not_distinct=True),
    )

    id: Mapped[int] = primary_key()
    annotator_id: Mapped[int] = reference("annotators.id")
    project_id: Mapped[int | None] = mapped_column(ForeignKey("projects.id", ondelete=CASCADE))
    role: Mapped[str]
    created_at: Mapped[datetime] = created_now()


class WebSession(Base):
    """A person who is signed in on a browser; its cookie's secret is stored as SHA-256."""

    __tablename__ = "web_sessions"

    id: Mapped[int] = primary_key()
    secret_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    annotator_id: Mapped[int] = reference("annotators.id")
    # Signed in with a token: the session may do what the token may, and ends with it.
    token_id: Mapped[int | None] = mapped_column(ForeignKey("tokens.id", ondelete=CASCADE))
    created_at: Mapped[datetime] = created_now()
    last_seen_at: Mapped[datetime] = created_now()
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class SignInLink(Base):
    """A link that signs one person in, once; its code is stored as SHA-256."""

    __tablename__ = "sign_in_links"

    id: Mapped[int] = primary_key()
    code_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    annotator_id: Mapped[int] = reference("annotators.id")
    created_at: Mapped[datetime] = created_now()
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class Invitation(Base):
    """A link by which people join a project, each under a name of their choice."""

    __tablename__ = "invitations"
    __table_args__ = (
        one_of("role", Role),
        # No link lets in more people than it was made for.
        CheckConstraint("n_used BETWEEN 0 AND max_uses", name="uses_left"),
    )

    id: Mapped[int] = primary_key()
    code_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    project_id: Mapped[int] = reference("projects.id")
    role: Mapped[str]
    max_uses: Mapped[int]
    n_used: Mapped[int] = mapped_column(server_default=text("0"))
    created_by: Mapped[int] = reference("annotators.id")
    created_at: Mapped[datetime] = created_now()
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class SigningKey(Base):
    """A secret that signs what the service hands out, one for each purpose."""

    __tablename__ = "signing_keys"

    purpose: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[bytes] = mapped_column(LargeBinary)
