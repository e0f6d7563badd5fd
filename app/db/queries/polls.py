"""What a poll asks first, and giving back: one statement each.

They expect that the caller holds the project's row lock. A statement costs more in Python and on
its way than in Postgres, so that a poll takes the time of its statements' number.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import BigInteger, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

from app.db.queries.leases import Slot


@dataclass(frozen=True)
class NewestRound:
    """The project's round of the highest number."""

    number: int
    state: str


@dataclass(frozen=True)
class Standing:
    """An annotator's standing in a project.

    Attributes:
        round_: the newest; None before the first.
        paused_because: why the annotator is paused; None: they are not.
        has_expired: whether leases of the project have ended and are not freed yet.
        was_handed_out_or_control: see `gold.was_handed_out_or_control`.
        held: slots of open items that the annotator holds, best rank first.
        held_gold: gold items that they hold.
    """

    round_: NewestRound | None
    paused_because: str | None
    has_expired: bool
    was_handed_out_or_control: bool
    held: list[Slot]
    held_gold: list[int]


def standing(session: Session, project_id: int, annotator_id: int) -> Standing:
    """Return the annotator's standing."""
    given = {"project": project_id, "annotator": annotator_id}
    number, state, reason, has_expired, was_handed_out, held, held_gold = session.execute(
        _STANDING, given
    ).one()
    return Standing(
        round_=None if number is None else NewestRound(number, state),
        paused_because=reason,
        has_expired=has_expired,
        was_handed_out_or_control=was_handed_out,
        held=[(batch_item_id, slot) for batch_item_id, slot in held or ()],
        held_gold=held_gold,
    )


_STANDING = text(
    """
    SELECT newest.number, newest.state,
        (
            SELECT reason FROM paused_annotators
            WHERE project_id = :project AND annotator_id = :annotator AND resumed_at IS NULL
        ),
        EXISTS (
            SELECT FROM batch_item_slots
            WHERE project_id = :project AND leased_until <= now() AND NOT filled
        ),
        EXISTS (SELECT FROM gold_answers WHERE project_id = :project) OR EXISTS (
            SELECT FROM rounds WHERE project_id = :project
                AND CAST(settings #>> '{selection,control_fraction}' AS double precision) > 0
        ),
        (
            SELECT array_agg(ARRAY[slot.batch_item_id, slot.slot]
                ORDER BY item.source, item.round_id, item.rank)
            FROM batch_item_slots AS slot
            JOIN batch_items AS item ON item.id = slot.batch_item_id
            WHERE slot.project_id = :project AND slot.leased_by = :annotator
                AND slot.leased_until IS NOT NULL AND NOT slot.filled AND item.state = 'open'
        ),
        ARRAY(
            SELECT item_id FROM gold_answers
            WHERE project_id = :project AND annotator_id = :annotator AND leased_until > now()
                AND class_index IS NULL AND skipped_at IS NULL
            ORDER BY item_id
        )
    FROM (SELECT 1) AS always
    LEFT JOIN LATERAL (
        SELECT number, state FROM rounds WHERE project_id = :project ORDER BY number DESC LIMIT 1
    ) AS newest ON true
    """
).bindparams(bindparam("project", type_=BigInteger), bindparam("annotator", type_=BigInteger))


def give_back(
    session: Session, project_id: int, annotator_id: int, item_ids: Sequence[int] | None = None
) -> None:
    """Free what the annotator holds, of these items or all, gold too; and what has expired."""
    ids = None if item_ids is None else list(item_ids)
    given = {"project": project_id, "annotator": annotator_id, "ids": ids}
    session.execute(_GIVE_BACK, given)


_GIVE_BACK = text(
    """
    WITH gold AS (
        UPDATE gold_answers SET leased_until = NULL
        WHERE project_id = :project AND annotator_id = :annotator
            AND class_index IS NULL AND skipped_at IS NULL
            AND (:ids IS NULL OR item_id = ANY (:ids))
    )
    UPDATE batch_item_slots AS slot SET leased_by = NULL, leased_until = NULL
    FROM batch_items AS item
    WHERE item.id = slot.batch_item_id
        AND slot.project_id = :project AND slot.leased_until IS NOT NULL AND NOT slot.filled
        AND (slot.leased_by = :annotator OR slot.leased_until <= now())
        AND (
            slot.leased_until <= now()
            OR item.state = 'open' AND (:ids IS NULL OR item.item_id = ANY (:ids))
        )
    """
).bindparams(
    bindparam("project", type_=BigInteger),
    bindparam("annotator", type_=BigInteger),
    bindparam("ids", type_=ARRAY(BigInteger)),
)
