"""Columns of many rows as arrays: Postgres sends each as one value, not row by row."""

import numpy as np
import numpy.typing as npt
from sqlalchemy import BigInteger, LargeBinary, SelectBase, cast, func, literal, select
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.orm import Session

IntArray = npt.NDArray[np.int64]


def columns(session: Session, statement: SelectBase) -> list[IntArray]:
    """Return each column of a statement of whole numbers, ascending by the first."""
    rows = statement.subquery().c
    nothing = literal(b"", LargeBinary)
    in_order = [
        func.string_agg(
            func.int8send(cast(column, BigInteger)), aggregate_order_by(nothing, rows[0])
        )
        for column in rows
    ]
    found = session.execute(select(*in_order)).one()
    return [np.frombuffer(value or b"", ">i8").astype(np.int64) for value in found]
