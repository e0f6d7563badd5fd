"""A project of a million texts with 200,000 labels, rounds, models, flags and gold, by SQL.

Rows are written as the services would have left them, without the months of labeling.
"""

from dataclasses import dataclass

import numpy as np
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from app.db.session import transaction
from app.db.tables import AnalysisKind, Job, Label, Model
from app.services.lifecycle import start_project
from app.storage.artifacts import ArtifactStore
from tests.benchmarks.service.serving import Served
from tests.loop import create_draft, publish_in_order
from workers.jobs.snapshot import store_arrays

CLASSES = ("praise", "complaint", "question", "other")
N_ROUNDS, PER_ROUND, N_OPEN = 20, 5_000, 10_000
N_ANNOTATORS, PER_ITEM = 20, 2
N_MAP = 50_000
NAME = "a million texts"

ITEMS = """
INSERT INTO items (project_id, split, index, external_id, text, class_index)
SELECT :project, :split, i, :split || '-' || i,
  'Review ' || i || ': the ' || (ARRAY['parcel','kettle','lamp','chair','radio'])[1 + i % 5]
  || ' came ' || (ARRAY['late','early','broken','in time'])[1 + i / 5 % 4] || ' and I '
  || (ARRAY['like it','send it back','use it daily'])[1 + i / 20 % 3] || '.',
  CASE WHEN :split = 'evaluation' THEN i % 4 END
FROM generate_series(0, :n - 1) AS i"""
# Two labels an item; every tenth item's annotators disagree, and the first one's class counts.
LABELED = [
    """INSERT INTO annotators (name)
    SELECT 'annotator ' || i FROM generate_series(1, :annotators) AS i""",
    """INSERT INTO models (project_id, round_number, role, name, recipe, recipe_hash, weights_hash,
        n_labeled, metrics, seconds, provenance, evaluation)
    SELECT :project, i, 'proxy', 'fasttext', '{"epochs": 5}', repeat('0', 64), repeat('0', 64),
      i * :per_round, jsonb_build_object('accuracy', 0.9 - 0.5 / (i + 1), 'n_evaluation', 2000),
      '{"training": 20.0}', '{"device": "cpu"}',
      '{"confusion": [[0,0,450],[0,1,50],[1,1,440],[1,2,60],[2,2,460],[2,0,40],[3,3,500]]}'
    FROM generate_series(1, :rounds - 1) AS i""",
    """INSERT INTO rounds (project_id, number, state, strategy, budget, n_labeled, model_id,
        seconds, labeling_at, completed_at)
    SELECT :project, i, 'completed', 'least_confidence', :per_round, i * :per_round,
      (SELECT id FROM models WHERE project_id = :project AND round_number = i),
      '{"training": 20.0, "inference": 30.0, "selection": 1.0}',
      now() - (:rounds - i) * interval '2 days', now() - (:rounds - i - 1) * interval '2 days'
    FROM generate_series(0, :rounds - 1) AS i""",
    """INSERT INTO batch_items (project_id, round_id, item_id, source, rank, score, state,
        is_control, suggestion_class, suggestion_confidence, labels_wanted, resolved_at)
    SELECT :project, r.id, i.id, 'batch', i.index % :per_round, random(), 'labeled',
      i.index % 10 = 0, i.index % 4, 0.5, :per_item, r.completed_at
    FROM items AS i JOIN rounds AS r
      ON r.project_id = :project AND r.number = i.index / :per_round
    WHERE i.project_id = :project AND i.split = 'pool' AND i.index < :n_labeled""",
    """INSERT INTO labels (project_id, item_id, annotator_id, batch_item_id, class_index, seconds,
        labels_behind, created_at)
    SELECT :project, b.item_id, a.id,  b.id,
      (i.index + CASE WHEN k = 1 AND i.index % 10 = 3 THEN 1 ELSE 0 END) % 4, 2 + 8 * random(), 0,
      b.resolved_at - interval '1 day' * random()
    FROM generate_series(0, :per_item - 1) AS k
    CROSS JOIN batch_items AS b JOIN items AS i ON i.id = b.item_id
    JOIN annotators AS a
      ON a.name = 'annotator ' || (1 + (i.index / 20 + 7 * k + i.index % 3) % :annotators)
    WHERE b.project_id = :project ORDER BY b.id""",
    """INSERT INTO batch_item_slots (batch_item_id, slot, project_id, leased_by, filled)
    SELECT batch_item_id, row_number() OVER (PARTITION BY batch_item_id ORDER BY id),
      project_id, annotator_id, true FROM labels WHERE project_id = :project""",
    """INSERT INTO resolved_labels (item_id, project_id, class_index, source, round_number, method,
        agreement, label_version)
    SELECT i.id, :project, i.index % 4, 'annotator', i.index / :per_round, 'majority',
      CASE WHEN i.index % 10 = 3 THEN 0.5 ELSE 1 END, 1
    FROM items AS i
    WHERE i.project_id = :project AND i.split = 'pool' AND i.index < :n_labeled""",
    """INSERT INTO item_flags (project_id, item_id, annotator_id, comment)
    SELECT :project, item_id, annotator_id, 'Is this one text or two?' FROM labels
    WHERE project_id = :project AND id % 1000 = 0""",
    """INSERT INTO gold_items (item_id, project_id, class_index)
    SELECT item_id, :project, class_index FROM resolved_labels
    WHERE project_id = :project AND item_id % 500 = 0""",
    """INSERT INTO gold_answers (item_id, annotator_id, project_id, class_index, answered_at)
    SELECT g.item_id, a.id, :project, g.class_index, now()
    FROM gold_items AS g CROSS JOIN annotators AS a
    WHERE g.project_id = :project AND a.name LIKE 'annotator %' AND (g.item_id + a.id) % 3 = 0""",
    """INSERT INTO events (project_id, name, facts)
    SELECT :project, 'round.state_changed', jsonb_build_object('round', i, 'to', 'completed')
    FROM generate_series(1, 2000) AS i""",
    """INSERT INTO jobs (project_id, round_id, kind, queue, state, max_attempts, attempts,
        started_at, finished_at)
    SELECT :project, id, 'train_and_select', 'cpu', 'succeeded', 3, 1,
      labeling_at - interval '1 minute', labeling_at
    FROM rounds WHERE project_id = :project""",
    """UPDATE projects SET n_labeled = n_labeled + :n_labeled, label_version = 1
    WHERE id = :project""",
]


@dataclass(frozen=True)
class LargeProject:
    """The project, and what the addresses of its pages name."""

    id: int
    item: int
    model: int
    job: int


def fill(served: Served, n_items: int) -> LargeProject:
    """Return the project of this size, made if it is not there yet."""
    with transaction(served.factory) as session:
        found = session.scalar(text("SELECT id FROM projects WHERE name = :n"), {"n": NAME})
    if found is None:
        found = _make(served, n_items)
    with transaction(served.factory) as session:
        newest = [
            session.scalar(select(func.max(column)).where(table.project_id == found))
            for table, column in ((Label, Label.item_id), (Model, Model.id), (Job, Job.id))
        ]  # fmt: skip
    return LargeProject(found, *(number for number in newest if number is not None))


def _make(served: Served, n_items: int) -> int:
    with transaction(served.factory) as session:
        project = create_draft(
            session, NAME, "text", CLASSES, strategy="least_confidence", labels_per_item=PER_ITEM,
            initial_budget=PER_ROUND, round_budget=PER_ROUND, total_budget=n_items // 2,
            reserve=N_OPEN - PER_ROUND, selection={"control_fraction": 0.1},
        )  # fmt: skip
        for split, n in (("pool", n_items), ("evaluation", 2000)):
            session.execute(text(ITEMS), {"project": project.id, "split": split, "n": n})
        project.n_pool, project.n_evaluation = n_items, 2000
        session.flush()
        start_project(session, project.id)
        session.execute(  # its first round comes after those that were written
            text("UPDATE rounds SET number = :n WHERE project_id = :p"),
            {"n": N_ROUNDS, "p": project.id},
        )
        _fill_past(session, project.id)
        _draw_map(session, served, project.id, n_items)
    publish_in_order(served.factory, served.settings, project.id, n_items // 2)
    with served.factory.kw["bind"].connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("VACUUM ANALYZE"))
    return project.id


def _fill_past(session: Session, project: int) -> None:
    given = {
        "project": project, "rounds": N_ROUNDS, "per_round": PER_ROUND, "per_item": PER_ITEM,
        "annotators": N_ANNOTATORS, "n_labeled": N_ROUNDS * PER_ROUND,
    }  # fmt: skip
    for statement in LABELED:
        session.execute(text(statement), given)


def _draw_map(session: Session, served: Served, project: int, n_items: int) -> None:
    rng = np.random.default_rng(0)
    index = np.sort(rng.choice(n_items, min(N_MAP, n_items), replace=False))
    centres = np.array([[-0.5, 0.5], [0.5, 0.4], [0.0, -0.5], [0.6, -0.6]])
    xy = (centres[index % 4] + rng.normal(0, 0.15, (len(index), 2))).clip(-1, 1)
    store = ArtifactStore(served.settings.artifact_store_url)
    points = store_arrays(store, xy=xy.astype(np.float32), index=index)
    analysis = session.scalar(
        text(
            "INSERT INTO analyses (project_id, kind, options, result, result_hash) VALUES "
            "(:project, :kind, '{}', jsonb_build_object('n', :n, 'n_pool', :n_pool, "
            "'model_id', NULL, 'explained', '[0.6, 0.2]'::jsonb), :points) RETURNING id"
        ),
        {"project": project, "kind": AnalysisKind.MAP, "n": len(index), "n_pool": n_items,
         "points": points},
    )  # fmt: skip
    session.execute(
        text(
            "INSERT INTO jobs (project_id, analysis_id, kind, queue, state, max_attempts, attempts,"
            " started_at, finished_at) VALUES (:project, :analysis, 'analyze', 'cpu', 'succeeded',"
            " 3, 1, now(), now())"
        ),
        {"project": project, "analysis": analysis},
    )
