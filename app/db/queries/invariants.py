"""The promises of the domain as SQL: each statement returns the rows that break one.

Run by `svp doctor --invariants` and after each step of the stateful test. They only read; run
them in one REPEATABLE READ transaction, so that all see the same instant.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.domain.states import (
    ALLOWED_TRANSITIONS,
    LIVE_ROUND_STATES,
    JobState,
    ProjectState,
    RoundState,
)


@dataclass(frozen=True)
class Invariant:
    """One promise; `statement` returns (project_id, detail) of what breaks it."""

    name: str
    sentence: str
    statement: str


@dataclass(frozen=True)
class Violation:
    """One row that breaks a promise."""

    invariant: str
    project_id: int
    detail: str


def find_violations(session: Session) -> Iterator[Violation]:
    """Yield every row that breaks one of INVARIANTS."""
    for invariant in INVARIANTS:
        for project_id, detail in session.execute(text(invariant.statement)):
            yield Violation(invariant.name, project_id, detail)


def _allowed(states: type[ProjectState] | type[RoundState] | type[JobState]) -> str:
    """Return the transition table as rows of a VALUES list."""
    return ", ".join(
        f"('{old}', '{new}')"
        for old, successors in sorted(ALLOWED_TRANSITIONS[states].items())
        for new in sorted(successors)
    )


def _history(
    name: str,
    table: str,
    key: str,
    states: type[ProjectState] | type[RoundState] | type[JobState],
    first: str,
) -> Invariant:
    """Return the promise that a state's events follow its table, from `first` to the present."""
    subject = {"project": "e.project_id", "round": "e.facts->>'round'", "job": "e.facts->>'job'"}
    return Invariant(
        f"{name}_history",
        f"The events of a {name}'s state follow one another as its transition table allows.",
        f"""
        WITH changes AS (
            SELECT e.project_id, {subject[name]} AS subject, e.id,
                   e.facts->>'from' AS old, e.facts->>'to' AS new,
                   lag(e.facts->>'to') OVER w AS before,
                   lead(e.id) OVER w IS NULL AS is_last
            FROM events e WHERE e.name = '{name}.state_changed'
            WINDOW w AS (PARTITION BY e.project_id, {subject[name]} ORDER BY e.id)
        )
        SELECT c.project_id, format('{name} %s: %s -> %s in event %s', subject, old, new, c.id)
        FROM changes c
        LEFT JOIN {table} t ON t.{key}::text = c.subject::text
            AND t.{"id" if name == "project" else "project_id"} = c.project_id
        WHERE (old, new) NOT IN (VALUES {_allowed(states)})
           OR old <> coalesce(before, {first})
           OR (is_last AND t.state <> new)
        """,
    )


LIVE_ROUNDS = ", ".join(sorted(f"'{state}'" for state in LIVE_ROUND_STATES))

# An item spends budget while its label stands, someone holds it, one of its labels is given, or it
# is handed out again.
SPENT = """
    SELECT b.project_id, b.id FROM batch_items b
    WHERE b.state = 'labeled' OR b.state = 'open' AND (b.is_requeued OR EXISTS (
        SELECT FROM batch_item_slots s WHERE s.batch_item_id = b.id
        AND (s.filled OR s.leased_until > clock_timestamp())))
"""

INVARIANTS = (
    Invariant(
        "total_budget",
        "Items labeled by annotators and items under a live lease are within the total budget.",
        f"""
        SELECT p.id, format('%s items spent of %s', count(*), p.total_budget)
        FROM projects p JOIN ({SPENT}) spent ON spent.project_id = p.id
        GROUP BY p.id HAVING count(*) > p.total_budget
        """,
    ),
    Invariant(
        "label_has_its_slot",
        "Every standing label fills exactly one slot of its batch item, and no slot is filled "
        "without one.",
        """
        SELECT coalesce(l.project_id, s.project_id),
               format('label %s, slot %s of batch item %s', l.id, s.slot, s.batch_item_id)
        FROM (SELECT * FROM labels WHERE withdrawn_at IS NULL) l
        FULL JOIN (SELECT * FROM batch_item_slots WHERE filled) s
            ON s.batch_item_id = l.batch_item_id AND s.leased_by = l.annotator_id
        WHERE l.id IS NULL OR s.batch_item_id IS NULL
        """,
    ),
    Invariant(
        "one_standing_label",
        "An annotator has at most one standing label of an item.",
        """
        SELECT project_id, format('item %s, annotator %s: %s', item_id, annotator_id, count(*))
        FROM labels WHERE withdrawn_at IS NULL
        GROUP BY project_id, item_id, annotator_id HAVING count(*) > 1
        """,
    ),
    Invariant(
        "one_live_batch",
        "An item is live in at most one batch.",
        """
        SELECT project_id, format('item %s is in %s batches', item_id, count(*))
        FROM batch_items WHERE state <> 'withdrawn'
        GROUP BY project_id, item_id HAVING count(*) > 1
        """,
    ),
    Invariant(
        "slots_within_overlap",
        "An open batch item has a slot for each label that it still lacks, or after a tie or low "
        "agreement one more or an adjudicator's; a labeled one waits for none; no annotator has "
        "two slots of one item.",
        """
        SELECT b.project_id, format('batch item %s, %s: %s slots filled, %s waiting, %s wanted',
                                    b.id, b.state, s.n_filled, s.n_waiting, b.labels_wanted)
        FROM batch_items b
        CROSS JOIN LATERAL (
            SELECT count(*) FILTER (WHERE filled) AS n_filled,
                   count(*) FILTER (WHERE NOT filled) AS n_waiting,
                   count(*) FILTER (WHERE for_adjudicator) AS n_adjudicators,
                   count(leased_by) - count(DISTINCT leased_by) AS n_doubled
            FROM batch_item_slots WHERE batch_item_id = b.id) s
        WHERE n_doubled > 0 OR n_adjudicators > 1
           OR b.state = 'labeled' AND n_waiting > 0
           OR b.state = 'open' AND n_waiting <> greatest(1, b.labels_wanted - n_filled)
        """,
    ),
    Invariant(
        "labeled_items_are_resolved",
        "A batch item is labeled if and only if its item has a resolved label by annotators.",
        """
        SELECT coalesce(b.project_id, r.project_id),
               format('item %s', coalesce(b.item_id, r.item_id))
        FROM (SELECT * FROM batch_items WHERE state = 'labeled') b
        FULL JOIN (SELECT * FROM resolved_labels WHERE source = 'annotator') r
            ON r.item_id = b.item_id
        WHERE b.item_id IS NULL OR r.item_id IS NULL
        """,
    ),
    Invariant(
        "resolved_by_its_labels",
        "A label resolved by majority or adjudication is a class that was given, and its agreement "
        "is the share of the most frequent one.",
        """
        SELECT r.project_id, format('item %s: %s, agreement %s', r.item_id, r.method, r.agreement)
        FROM resolved_labels r
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(n), 0) AS n, coalesce(max(n), 0) AS most FROM (
                SELECT count(*) AS n FROM labels l WHERE l.item_id = r.item_id
                AND l.withdrawn_at IS NULL AND NOT l.is_adjudication GROUP BY class_index) c) given
        WHERE r.source = 'annotator' AND (
            abs(r.agreement - given.most / greatest(given.n, 1)) > 1e-9
            OR r.method IN ('majority', 'adjudicated') AND NOT EXISTS (
                SELECT FROM labels l WHERE l.item_id = r.item_id AND l.withdrawn_at IS NULL
                AND l.class_index = r.class_index
                AND l.is_adjudication = (r.method = 'adjudicated')))
        """,
    ),
    Invariant(
        "gold_is_apart",
        "A gold item has its label and is in no open batch; nobody both labels it and answers it "
        "as gold.",
        """
        SELECT g.project_id, format('gold item %s', g.item_id) FROM gold_items g
        WHERE NOT EXISTS (SELECT FROM resolved_labels r WHERE r.item_id = g.item_id)
           OR EXISTS (SELECT FROM batch_items b WHERE b.item_id = g.item_id AND b.state = 'open')
           OR EXISTS (
               SELECT FROM gold_answers a JOIN labels l USING (item_id, annotator_id)
               WHERE a.item_id = g.item_id AND l.withdrawn_at IS NULL)
        """,
    ),
    Invariant(
        "paused_annotators_hold_nothing",
        "A paused annotator has no lease, and nothing is kept for them.",
        """
        SELECT p.project_id, format('annotator %s: batch item %s', p.annotator_id, s.batch_item_id)
        FROM paused_annotators p JOIN batch_item_slots s ON s.project_id = p.project_id
            AND NOT s.filled AND p.annotator_id IN (s.leased_by, s.reserved_for)
        JOIN batch_items b ON b.id = s.batch_item_id AND b.state = 'open'
        WHERE p.resumed_at IS NULL
        """,
    ),
    Invariant(
        "slots_can_be_taken",
        "What is kept for an annotator or an adjudicator can be taken: by one who has not labeled "
        "the item, is not paused, and adjudicates where an adjudicator is wanted.",
        """
        SELECT b.project_id, format('slot %s of batch item %s', s.slot, b.id)
        FROM batch_items b
        JOIN projects p ON p.id = b.project_id
        JOIN batch_item_slots s ON s.batch_item_id = b.id
        WHERE b.state = 'open' AND NOT s.filled
          AND (s.reserved_for IS NOT NULL OR s.for_adjudicator)
          AND NOT EXISTS (
              SELECT FROM annotators a
              WHERE a.id = coalesce(s.reserved_for, a.id)
                AND (NOT s.for_adjudicator OR p.annotation->'adjudicators' ? a.name)
                AND NOT EXISTS (
                    SELECT FROM labels l WHERE l.item_id = b.item_id AND l.annotator_id = a.id
                    AND l.withdrawn_at IS NULL)
                AND NOT EXISTS (
                    SELECT FROM paused_annotators u WHERE u.project_id = p.id
                    AND u.annotator_id = a.id AND u.resumed_at IS NULL))
        """,
    ),
    Invariant(
        "evaluation_is_never_selected",
        "No item of the evaluation split is in a batch or has a resolved label.",
        """
        SELECT i.project_id, format('item %s', i.id) FROM items i
        WHERE i.split = 'evaluation' AND (
            EXISTS (SELECT FROM batch_items b WHERE b.item_id = i.id)
            OR EXISTS (SELECT FROM resolved_labels r WHERE r.item_id = i.id))
        """,
    ),
    Invariant(
        "completed_once",
        "Every completed round was completed once, and nothing of its batch is open.",
        """
        SELECT r.project_id, format('round %s: completed %s times, %s open', r.number,
                                    completed.n, still_open.n)
        FROM rounds r
        CROSS JOIN LATERAL (
            SELECT count(*) AS n FROM events e WHERE e.project_id = r.project_id
            AND e.name = 'round.state_changed' AND e.facts->>'to' = 'completed'
            AND (e.facts->>'round')::bigint = r.number) completed
        CROSS JOIN LATERAL (
            SELECT count(*) AS n FROM batch_items b
            WHERE b.round_id = r.id AND b.source = 'batch' AND b.state = 'open') still_open
        WHERE r.state = 'completed' AND (completed.n <> 1 OR still_open.n > 0)
        """,
    ),
    Invariant(
        "nothing_is_stuck",
        "A running project's round in labeling has an open batch item; without a live round it "
        "waits for an annotator, or has neither labels nor items to select.",
        f"""
        SELECT r.project_id, format('round %s is labeling and nothing is open', r.number)
        FROM rounds r JOIN projects p ON p.id = r.project_id
        WHERE p.state = 'running' AND r.state = 'labeling' AND NOT EXISTS (
            SELECT FROM batch_items b
            WHERE b.project_id = p.id AND b.source = 'batch' AND b.state = 'open')
        UNION ALL
        SELECT p.id, 'running without a round, and nobody holds an item'
        FROM projects p
        WHERE p.state = 'running'
          AND NOT EXISTS (
              SELECT FROM rounds r WHERE r.project_id = p.id AND r.state IN ({LIVE_ROUNDS}))
          AND NOT EXISTS (
              SELECT FROM batch_items b JOIN batch_item_slots s ON s.batch_item_id = b.id
              WHERE b.project_id = p.id AND b.state = 'open'
                AND (s.leased_by IS NOT NULL OR b.is_requeued))
          AND (p.n_labeled + p.n_imported > 0
               OR p.n_pool > p.n_labeled + p.n_imported + p.n_skipped)
        """,
    ),
    Invariant(
        "work_has_a_job",
        "A round that trains or selects has one live job; a target in training has a job.",
        """
        SELECT r.project_id, format('round %s is %s without a job', r.number, r.state)
        FROM rounds r WHERE r.state IN ('training', 'selecting') AND 1 <> (
            SELECT count(*) FROM jobs j
            WHERE j.round_id = r.id AND j.state IN ('queued', 'running'))
        UNION ALL
        SELECT p.id, 'training the target without a job' FROM projects p
        WHERE p.state = 'training_target' AND NOT EXISTS (
            SELECT FROM jobs j WHERE j.project_id = p.id AND j.kind = 'train_target'
            AND j.state IN ('queued', 'running', 'failed'))
        """,
    ),
    Invariant(
        "ended_projects_are_quiet",
        "A project that ended labeling has no live round and no open item.",
        f"""
        SELECT p.id, format('%s, %s', r.state, b.state)
        FROM projects p
        LEFT JOIN rounds r ON r.project_id = p.id AND r.state IN ({LIVE_ROUNDS})
        LEFT JOIN batch_items b ON b.project_id = p.id AND b.state = 'open'
        WHERE p.state IN ('training_target', 'finished', 'cancelled')
          AND (r.id IS NOT NULL OR b.id IS NOT NULL)
        """,
    ),
    Invariant(
        "dense_indices",
        "The indices of each split run from 0 without a gap, as many as the project counts.",
        """
        SELECT p.id, format('%s: %s items, highest index %s, counted %s',
                            s.split, count(i.id), max(i.index), s.n)
        FROM projects p
        CROSS JOIN LATERAL (VALUES ('pool', p.n_pool), ('evaluation', p.n_evaluation)) s (split, n)
        LEFT JOIN items i ON i.project_id = p.id AND i.split = s.split
        GROUP BY p.id, s.split, s.n
        HAVING count(i.id) <> s.n OR coalesce(max(i.index) + 1, 0) <> s.n
        """,
    ),
    Invariant(
        "counts",
        "The project's counts of labeled, imported and skipped items are what the rows say.",
        """
        SELECT p.id, format('labeled %s/%s, imported %s/%s, skipped %s/%s', p.n_labeled, l.n,
                            p.n_imported, l.n_imported, p.n_skipped, b.n)
        FROM projects p
        CROSS JOIN LATERAL (
            SELECT count(*) FILTER (WHERE source = 'annotator') AS n,
                   count(*) FILTER (WHERE source = 'import') AS n_imported
            FROM resolved_labels r WHERE r.project_id = p.id) l
        CROSS JOIN LATERAL (
            SELECT count(*) AS n FROM batch_items b
            WHERE b.project_id = p.id AND b.state = 'skipped') b
        WHERE (p.n_labeled, p.n_imported, p.n_skipped) IS DISTINCT FROM (l.n, l.n_imported, b.n)
        """,
    ),
    Invariant(
        "round_keeps_its_settings",
        "A round stores the proxy, selection options and trigger that it is run with.",
        """
        SELECT r.project_id, format('round %s lacks some', r.number) FROM rounds r
        WHERE NOT r.settings ?& array['proxy', 'selection', 'trigger']
        """,
    ),
    Invariant(
        "setting_history",
        "The changes of a setting follow one another, from each value to the next, to the present.",
        """
        WITH changes AS (
            SELECT e.project_id, e.id, e.facts->>'setting' AS setting,
                   e.facts->'before' AS old, e.facts->'after' AS new,
                   lag(e.facts->'after') OVER w AS before,
                   lead(e.id) OVER w IS NULL AS is_last
            FROM events e WHERE e.name = 'project.setting_changed'
            WINDOW w AS (PARTITION BY e.project_id, e.facts->>'setting' ORDER BY e.id)
        )
        SELECT c.project_id, format('%s: %s -> %s in event %s', setting, old, new, c.id)
        FROM changes c JOIN projects p ON p.id = c.project_id
        WHERE old <> coalesce(before, old) OR old = new
           OR (is_last AND to_jsonb(p)->setting <> new)
        """,
    ),
    _history("project", "projects", "id", ProjectState, "'draft'"),
    _history("round", "rounds", "number", RoundState, "old"),
    _history("job", "jobs", "id", JobState, "'queued'"),
)
