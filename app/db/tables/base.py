"""The base of all tables with its naming convention, and shared kinds of columns."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Identity,
    MetaData,
    Text,
    TextClause,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

CASCADE = "CASCADE"


class Base(DeclarativeBase):
    """Gives every constraint a name that migrations can refer to."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy's own hook
        str: Text,
        int: BigInteger,
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB,
        list[str]: ARRAY(Text),
    }


def one_of(column: str, values: type[StrEnum]) -> CheckConstraint:
    """Return the constraint that keeps `column` within the enum."""
    allowed = ", ".join(f"'{v}'" for v in values)
    return CheckConstraint(f"{column} IN ({allowed})", name=f"{column}_known")


def in_states(column: str, states: frozenset[Any]) -> TextClause:
    """Return the SQL condition that `column` is one of `states`."""
    allowed = ", ".join(sorted(f"'{state}'" for state in states))
    return text(f"{column} IN ({allowed})")


def primary_key() -> Mapped[int]:
    """Return a generated primary key; never used for order of import (identities leave gaps)."""
    return mapped_column(BigInteger, Identity(always=True), primary_key=True)


def created_now() -> Mapped[datetime]:
    """Return a column filled by the database's clock."""
    return mapped_column(server_default=func.now())


def reference(target: str) -> Mapped[int]:
    """Return a foreign key that falls with what it refers to."""
    return mapped_column(ForeignKey(target, ondelete=CASCADE))
