"""Statements that remove a deleted project, piece by piece, and files that nothing refers to."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    String,
    Text,
    TextClause,
    cast,
    delete,
    exists,
    func,
    literal,
    or_,
    select,
    text,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.db.tables import (
    Analysis,
    Base,
    CoreSet,
    CoreSetScores,
    DeletedProject,
    DiscardedArtifact,
    Import,
    Item,
    Job,
    JobKind,
    LabelExport,
    Model,
    Project,
    Round,
)
from app.domain.states import LIVE_JOB_STATES, ProjectState

Hash = InstrumentedAttribute[str] | InstrumentedAttribute[str | None] | ColumnElement[str]

OF_PROJECT = "project_id = :project_id"
# The tables with most rows, each before those that it refers to. What else hangs on a row falls
# with it, found by an index.
TABLES = {
    "labels": OF_PROJECT,
    "batch_items": OF_PROJECT,
    "resolved_labels": OF_PROJECT,
    "item_flags": OF_PROJECT,
    "gold_answers": OF_PROJECT,
    "gold_items": OF_PROJECT,
    "core_set_items": "core_set_id IN (SELECT id FROM core_sets WHERE project_id = :project_id)",
    "suspected_labels": "analysis_id IN (SELECT id FROM analyses WHERE project_id = :project_id)",
    "refused_import_lines": "import_id IN (SELECT id FROM imports WHERE project_id = :project_id)",
    "items": OF_PROJECT,
    "webhook_deliveries": "webhook_id IN (SELECT id FROM webhooks WHERE project_id = :project_id)",
    "events": OF_PROJECT,
}
IN_STORE = Item.image_uri.is_(None)


def _hashes() -> list[tuple[type[Base], Hash]]:
    """Return every column that names a stored file, with its table; those of items apart."""
    named: list[tuple[type[Base], Hash]] = [
        (Project, Project.features_hash),
        (Project, Project.evaluation_features_hash),
        (Import, Import.content_hash),
        (LabelExport, LabelExport.file_hash),
        (Job, Job.snapshot_hash),
        (Round, Round.ranking_hash),
        (Round, Round.predictions_hash),
        (Model, Model.weights_hash),
        (Model, Model.predictions_hash),
        (Analysis, Analysis.result_hash),
        (CoreSet, CoreSet.weights_hash),
        (CoreSetScores, CoreSetScores.scores_hash),
    ]
    in_json: list[tuple[type[Base], InstrumentedAttribute[dict[str, Any]], tuple[str, ...]]] = [
        (Round, Round.selection, ("snapshot_hash", "weights_hash", "features_hash")),
        (Analysis, Analysis.provenance, ("snapshot_hash",)),
        (CoreSet, CoreSet.provenance, ("snapshot_hash",)),
    ]
    for table, column, keys in in_json:
        named += [(table, column[key].astext) for key in keys]
    return named


HASHES = _hashes()


def _some_of(table: str, condition: str) -> TextClause:
    """Return the statement that removes some rows of a table and returns how many.

    What items had in the store is discarded with them.
    """
    returned, also = "1", ""
    if table == "items":
        returned = "content_hash, image_uri"
        also = """, discarded AS (
            INSERT INTO discarded_artifacts (hash, project_id)
            SELECT DISTINCT content_hash, CAST(:project_id AS bigint) FROM gone
            WHERE content_hash IS NOT NULL AND image_uri IS NULL
            ON CONFLICT (hash) DO UPDATE SET due_at = now())
        """
    return text(f"""
        WITH gone AS (
            DELETE FROM {table} WHERE ctid = ANY(ARRAY(
                SELECT ctid FROM {table} WHERE {condition} LIMIT :n))
            RETURNING {returned}){also}
        SELECT count(*) FROM gone
    """)  # noqa: S608 - of this module's own words


_REMOVE_SOME = [_some_of(table, condition) for table, condition in TABLES.items()]


def next_deleting(session: Session) -> Project | None:
    """Return a project that is being deleted, locked; None if there is none that is free."""
    return session.scalar(
        select(Project)
        .where(Project.state == ProjectState.DELETING)
        .order_by(Project.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )


def remove_rows(session: Session, project_id: int, limit: int) -> int:
    """Remove up to `limit` rows of the first table that has some; return how many; 0 = no more."""
    for statement in _REMOVE_SOME:
        n = session.execute(statement, {"project_id": project_id, "n": limit}).scalar_one()
        if n:
            return int(n)
    return 0


def remove_project(session: Session, project_id: int) -> None:
    """Remove the project's row and what little still hangs on it; discard what these named."""
    own_core_sets = select(CoreSet.id).where(CoreSet.project_id == project_id)
    for table, column in HASHES:
        if table is Project:
            is_own = Project.id == project_id
        elif table is CoreSetScores:
            is_own = CoreSetScores.core_set_id.in_(own_core_sets)
        else:
            is_own = table.__table__.c.project_id == project_id
        named = select(column.label("hash")).where(is_own, column.is_not(None))
        discard(session, named, project_id)
    session.execute(delete(Project).where(Project.id == project_id))
    session.execute(
        update(DeletedProject).where(DeletedProject.id == project_id).values(ended_at=func.now())
    )


def discard(session: Session, hashes: Select[Any], project_id: int | None) -> None:
    """Note that the selected files may not be needed any more."""
    found = hashes.subquery()
    rows = select(func.distinct(found.c.hash), cast(literal(project_id), BigInteger)).where(
        found.c.hash != ""
    )
    new = insert(DiscardedArtifact).from_select(["hash", "project_id"], rows)
    # Locks a row that is there: whoever is about to remove it is waited for.
    session.execute(
        new.on_conflict_do_update(
            index_elements=[DiscardedArtifact.hash], set_={"due_at": func.now()}
        )
    )


def due(session: Session, limit: int) -> list[str]:
    """Return up to `limit` discarded files to look at now; those still referred to are kept."""
    hashes = list(
        session.scalars(
            select(DiscardedArtifact.hash)
            .where(DiscardedArtifact.due_at <= func.now())
            .order_by(DiscardedArtifact.due_at)
            .limit(limit)
        )
    )
    needed = referred_to(session, hashes)
    forget(session, list(needed))
    return [digest for digest in hashes if digest not in needed]


def referred_to(session: Session, hashes: Sequence[str]) -> set[str]:
    """Return which of these files a row names."""
    if not hashes:
        return set()
    wanted = (
        func.unnest(cast(list(hashes), ARRAY(Text))).table_valued("hash").render_derived("wanted")
    )
    digest = wanted.c.hash
    of_items = exists().where(Item.content_hash == cast(digest, String), IN_STORE)
    others = union_all(*(select(column).where(column.is_not(None)) for _, column in HASHES))
    return set(session.scalars(select(digest).where(or_(of_items, digest.in_(others)))))


def forget(session: Session, hashes: Sequence[str]) -> None:
    """Forget files that are gone, or needed."""
    session.execute(delete(DiscardedArtifact).where(DiscardedArtifact.hash.in_(hashes)))


def postpone(session: Session, hashes: Sequence[str], seconds: float) -> None:
    """Look at these files later."""
    session.execute(
        update(DiscardedArtifact)
        .where(DiscardedArtifact.hash.in_(hashes))
        .values(due_at=func.now() + timedelta(seconds=seconds))
    )


def list_deleted(session: Session) -> list[tuple[DeletedProject, int, int]]:
    """Return (deleted project, items and files that are not removed yet), newest first."""
    n_items = select(func.count()).where(Item.project_id == DeletedProject.id).scalar_subquery()
    n_files = (
        select(func.count())
        .where(DiscardedArtifact.project_id == DeletedProject.id)
        .scalar_subquery()
    )
    rows = session.execute(
        select(DeletedProject, n_items, n_files).order_by(
            DeletedProject.deleted_at.desc(), DeletedProject.id.desc()
        )
    )
    return [(deleted, items, files) for deleted, items, files in rows]


def deleted_uids(session: Session, uids: Sequence[str]) -> set[str]:
    """Return which of these are of deleted projects."""
    found = session.scalars(
        select(cast(DeletedProject.uid, String)).where(cast(DeletedProject.uid, String).in_(uids))
    )
    return set(found)


def erased_at(session: Session, uids: Sequence[str]) -> dict[str, float]:
    """Return uid -> when content of a project was last erased, where all of it is packed again.

    Those whose packing is under way are left out, so that their packs can be mended.
    """
    uid = cast(Project.uid, String)
    packs = exists().where(
        Job.project_id == Project.id, Job.kind == JobKind.PACK, Job.state.in_(LIVE_JOB_STATES)
    )
    rows = session.execute(
        select(uid, Project.erased_at).where(uid.in_(uids), Project.erased_at.is_not(None), ~packs)
    )
    return {uid: at.timestamp() for uid, at in rows if at is not None}
