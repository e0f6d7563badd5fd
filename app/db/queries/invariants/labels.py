"""Promises about batch items, their slots and labels, gold, and who is handed what."""

from app.db.queries.invariants.invariant import Invariant

# An item spends budget while its label stands, someone holds it, one of its labels is given, or it
# is handed out again.
SPENT = """
    SELECT b.project_id, b.id FROM batch_items b
    WHERE b.state = 'labeled' OR b.state = 'open' AND (b.is_requeued OR EXISTS (
        SELECT FROM batch_item_slots s WHERE s.batch_item_id = b.id
        AND (s.filled OR s.leased_until > clock_timestamp())))
"""

LABELING = (
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
        "Every standing label that was given here fills exactly one slot of its batch item, and no "
        "slot is filled without one.",
        """
        SELECT coalesce(l.project_id, s.project_id),
               format('label %s, slot %s of batch item %s', l.id, s.slot, s.batch_item_id)
        FROM (SELECT * FROM labels
              WHERE withdrawn_at IS NULL AND batch_item_id IS NOT NULL) l
        FULL JOIN (SELECT * FROM batch_item_slots WHERE filled) s
            ON s.batch_item_id = l.batch_item_id AND s.leased_by = l.annotator_id
        WHERE l.id IS NULL OR s.batch_item_id IS NULL
        """,
    ),
    Invariant(
        "one_standing_label",
        "An annotator has at most one standing label of an item that was given here, and one that "
        "was imported.",
        """
        SELECT project_id, format('item %s, annotator %s: %s', item_id, annotator_id, count(*))
        FROM labels WHERE withdrawn_at IS NULL
        GROUP BY project_id, item_id, annotator_id, batch_item_id IS NULL HAVING count(*) > 1
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
        "two slots of one item. Labels that do not count fill none.",
        """
        SELECT b.project_id, format('batch item %s, %s: %s slots filled, %s waiting, %s wanted',
                                    b.id, b.state, s.n_filled, s.n_waiting, b.labels_wanted)
        FROM batch_items b
        CROSS JOIN LATERAL (
            SELECT count(*) FILTER (WHERE filled AND l.id IS NULL) AS n_filled,
                   count(*) FILTER (WHERE NOT filled) AS n_waiting,
                   count(*) FILTER (WHERE for_adjudicator AND l.id IS NULL) AS n_adjudicators,
                   count(leased_by) - count(DISTINCT leased_by) AS n_doubled
            FROM batch_item_slots t
            LEFT JOIN labels l ON l.batch_item_id = b.id AND l.annotator_id = t.leased_by
                AND l.withdrawn_at IS NULL AND l.is_excluded
            WHERE t.batch_item_id = b.id) s
        WHERE n_doubled > 0 OR n_adjudicators > 1
           OR b.state = 'labeled' AND n_waiting > 0
           OR b.state = 'open' AND n_waiting <> greatest(1, b.labels_wanted - n_filled)
        """,
    ),
    Invariant(
        "one_label_closes",
        "An open batch item that wants one label, and was not handed out again, has no label yet: "
        "what is committed is counted by leases there.",
        """
        SELECT DISTINCT b.project_id, format('batch item %s', b.id)
        FROM batch_items b JOIN batch_item_slots s ON s.batch_item_id = b.id
        WHERE b.state = 'open' AND b.labels_wanted <= 1 AND NOT b.is_requeued AND s.filled
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
        "is the share of the most frequent one: of the labels given here, or of those imported.",
        """
        SELECT r.project_id, format('item %s: %s, agreement %s', r.item_id, r.method, r.agreement)
        FROM resolved_labels r
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(n), 0) AS n, coalesce(max(n), 0) AS most FROM (
                SELECT count(*) AS n FROM labels l WHERE l.item_id = r.item_id
                AND l.withdrawn_at IS NULL AND NOT l.is_adjudication AND NOT l.is_excluded
                AND (l.batch_item_id IS NULL) = (r.source = 'import')
                GROUP BY class_index) c) given
        WHERE r.method <> 'imported' AND (
            abs(r.agreement - given.most / greatest(given.n, 1)) > 1e-9
            OR r.method IN ('majority', 'adjudicated') AND NOT EXISTS (
                SELECT FROM labels l WHERE l.item_id = r.item_id AND l.withdrawn_at IS NULL
                AND NOT l.is_excluded AND l.class_index = r.class_index
                AND (l.batch_item_id IS NULL) = (r.source = 'import')
                AND l.is_adjudication = (r.method = 'adjudicated')))
        """,
    ),
    Invariant(
        "excluded_labels_are_flagged",
        "A standing label that is distrusted is flagged, so that an admin sees it, and is excluded "
        "if and only if the project excludes such labels.",
        """
        SELECT l.project_id, format('label %s', l.id)
        FROM labels l JOIN projects p ON p.id = l.project_id
        WHERE withdrawn_at IS NULL AND (
            is_distrusted AND NOT is_flagged OR is_excluded <> (
                is_distrusted AND coalesce(annotation->>'flagged_labels', 'exclude') = 'exclude'))
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
)
