"""Promises about the progress of rounds, jobs and projects, and about projects' counts."""

from app.db.queries.invariants.invariant import Invariant
from app.domain.states import LIVE_ROUND_STATES

LIVE_ROUNDS = ", ".join(sorted(f"'{state}'" for state in LIVE_ROUND_STATES))

PROGRESS = (
    Invariant(
        "completed_once",
        "Every completed round was completed once, and no item of its batch is open.",
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
               OR p.n_pool > p.n_labeled + p.n_imported + p.n_skipped + (
                   SELECT count(*) FROM set_aside_items a JOIN items i ON i.id = a.item_id
                   WHERE a.project_id = p.id AND i.split = 'pool'
                     AND NOT EXISTS (SELECT FROM resolved_labels l WHERE l.item_id = i.id)
                     AND NOT EXISTS (SELECT FROM batch_items b
                                     WHERE b.item_id = i.id AND b.state <> 'withdrawn')))
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
)
