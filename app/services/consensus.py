"""The consensus over all labels of a project: what the worker reads for it, and what it writes.

The worker computes it (workers.jobs.consensus) before it takes the snapshot that it trains on.
"""

from collections.abc import Sequence

from sqlalchemy.orm import Session

from app.db.queries import consensus as queries
from app.db.queries import events, models
from app.db.queries.consensus import Consensus
from app.db.tables import ConsensusSource, Project

ROWS_AT_ONCE = 10_000


def write_consensus(
    session: Session,
    project: Project,
    method: ConsensusSource,
    found: Sequence[Consensus],
    version_read: int,
) -> int:
    """Make the consensus the resolved labels of a locked project; return how many classes changed.

    Leaves out what changed since the labels were read (a later label decided by majority; the next
    round sees it) and what an adjudicator decided. Models that learned another class become stale.

    Args:
        session: in a transaction that holds the project's lock.
        project: of the labels.
        method: that was used.
        found: consensus by pool index.
        version_read: the project's label version when the labels were read.
    """
    changed_versions = []
    next_version = project.label_version + 1
    for start in range(0, len(found), ROWS_AT_ONCE):
        part = {entry.index: entry for entry in found[start : start + ROWS_AT_ONCE]}
        stored = queries.resolved_by_index(session, project.id, list(part))
        for index, resolved in stored.items():
            if resolved.label_version > version_read:
                continue
            entry = part[index]
            resolved.method = method
            resolved.confidence = entry.confidence
            if resolved.class_index != entry.class_index:
                changed_versions.append(resolved.label_version)
                resolved.class_index = entry.class_index
                resolved.label_version = next_version
        session.flush()
    if changed_versions:
        project.label_version = next_version
        models.mark_stale(session, project.id, min(changed_versions))
    facts = {"method": method, "n_items": len(found), "n_changed": len(changed_versions)}
    events.append(session, project.id, "consensus.computed", facts)
    return len(changed_versions)
