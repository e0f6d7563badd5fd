"""Tables of annotators and their tokens."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.tables.base import CASCADE, Base, created_now, one_of, primary_key, reference


class Role(StrEnum):
    """ADMIN may do all; ANNOTATOR may poll, label and skip."""

    ADMIN = "admin"
    ANNOTATOR = "annotator"


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


class SigningKey(Base):
    """A secret that signs what the service hands out, one for each purpose."""

    __tablename__ = "signing_keys"

    purpose: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[bytes] = mapped_column(LargeBinary)
