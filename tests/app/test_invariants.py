"""Each promise of `svp doctor --invariants` is broken once by hand, and found."""

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings
from app.db.queries.invariants import INVARIANTS, find_violations
from app.db.session import transaction
from app.services.labels import LabelEntry, submit_labels
from app.services.leases import next_batch
from tests.loop import annotator, start_labeling

PLANTED = {
    "total_budget": "UPDATE projects SET total_budget = 2",
    "label_has_its_slot": "UPDATE batch_item_slots SET filled = false, leased_by = NULL "
    "WHERE filled AND batch_item_id = (SELECT min(batch_item_id) FROM labels)",
    "one_standing_label": "DROP INDEX uq_labels_standing; INSERT INTO labels (project_id, item_id, "
    "annotator_id, batch_item_id, class_index, labels_behind) SELECT project_id, item_id, "
    "annotator_id, batch_item_id, class_index, 0 FROM labels LIMIT 1",
    "one_live_batch": "DROP INDEX uq_batch_items_item_live; INSERT INTO batch_items (project_id, "
    "round_id, item_id, source, rank, score) SELECT project_id, (SELECT max(id) FROM rounds), "
    "item_id, 'reserve', 9, 0 FROM batch_items LIMIT 1",
    "resolved_by_its_labels": "UPDATE resolved_labels SET class_index = 1",
    "excluded_labels_are_flagged": "UPDATE labels SET is_excluded = true, is_flagged = false",
    "gold_is_apart": "INSERT INTO gold_items (item_id, project_id, class_index) "
    "SELECT item_id, project_id, 0 FROM batch_items WHERE state = 'open' LIMIT 1",
    "paused_annotators_hold_nothing": "INSERT INTO paused_annotators (project_id, annotator_id, "
    "reason) SELECT project_id, leased_by, 'x' FROM batch_item_slots "
    "WHERE leased_by IS NOT NULL AND NOT filled LIMIT 1",
    "slots_can_be_taken": "UPDATE batch_item_slots SET for_adjudicator = true WHERE NOT filled",
    "slots_within_overlap": "INSERT INTO batch_item_slots (batch_item_id, slot, project_id) "
    "SELECT id, 2, project_id FROM batch_items LIMIT 1",
    "one_label_closes": "UPDATE batch_items SET state = 'open' WHERE state = 'labeled'",
    "labeled_items_are_resolved": "DELETE FROM resolved_labels",
    "evaluation_is_never_selected": "UPDATE items SET split = 'evaluation', class_index = 0",
    "completed_once": "UPDATE batch_items SET state = 'open' WHERE source = 'batch'",
    "nothing_is_stuck": "UPDATE rounds SET state = 'labeling' WHERE number = 1; "
    "UPDATE jobs SET state = 'succeeded'",
    "work_has_a_job": "UPDATE jobs SET state = 'succeeded'",
    "ended_projects_are_quiet": "UPDATE projects SET state = 'cancelled'",
    "dense_indices": "UPDATE items SET index = 99 WHERE index = 3",
    "counts": "UPDATE projects SET n_labeled = n_labeled + 1",
    "round_keeps_its_settings": "UPDATE rounds SET settings = settings - 'trigger'",
    "setting_history": "INSERT INTO events (project_id, name, facts) SELECT id, "
    "'project.setting_changed', jsonb_build_object('setting', 'reserve', 'before', 1, 'after', 9) "
    "FROM projects",
    "project_history": "UPDATE projects SET state = 'finished'",
    "round_history": "UPDATE rounds SET state = 'cancelled' WHERE number = 0",
    "job_history": "INSERT INTO events (project_id, name, facts) SELECT project_id, "
    "'job.state_changed', jsonb_build_object('job', id, 'from', 'succeeded', 'to', 'queued') "
    "FROM jobs WHERE state = 'succeeded' LIMIT 1",
}


@pytest.fixture
def labeled_project(session_factory: sessionmaker[Session], settings: Settings) -> int:
    """A project whose round 0 is complete and whose reserve is leased in part."""
    project = start_labeling(session_factory, settings, "p", total_budget=6)
    ada = annotator(session_factory, "ada")
    with transaction(session_factory) as session:
        batch = next_batch(session, project, ada, 3, settings)
        entries = [LabelEntry(leased.item.id, "a") for leased in batch.items[:2]]
    with transaction(session_factory) as session:
        submit_labels(session, project, ada, entries, settings)
    return project


def broken(factory: sessionmaker[Session]) -> set[str]:
    with transaction(factory) as session:
        return {violation.invariant for violation in find_violations(session)}


def test_every_invariant_is_tried() -> None:
    assert set(PLANTED) == {invariant.name for invariant in INVARIANTS}


@pytest.mark.parametrize("name", PLANTED)
def test_planted_fault_is_found(
    name: str, labeled_project: int, session_factory: sessionmaker[Session]
) -> None:
    assert labeled_project
    assert broken(session_factory) == set()
    with transaction(session_factory) as session:
        for statement in PLANTED[name].split(";"):
            session.execute(text(statement))
    assert name in broken(session_factory)
