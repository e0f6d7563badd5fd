"""The labeling loop under every order of events: the real services, jobs and database.

A hypothesis state machine polls, labels, undoes, skips, pauses, kills and doubles jobs; after each
step the SQL of `svp doctor --invariants` finds nothing, and the labels are those of a plain model.
"""

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    initialize,
    invariant,
    run_state_machine_as_test,
)
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings
from app.db.queries import batches, labels
from app.db.queries.invariants import find_violations
from app.db.session import transaction
from app.db.tables import Split
from app.services import lifecycle
from app.services.gold import set_gold
from tests.loop import (
    CLASSES,
    create_draft,
    import_texts,
)
from tests.workers.jobs.machine.admins import AdminRules
from tests.workers.jobs.machine.world import ANNOTATION, N_POOL, STOP, TRIGGER


class LabelingMachine(AdminRules):
    """Every rule, and what must hold after each step."""

    @initialize(
        overlap=st.sampled_from([1, 1, 1, 2, 3]),
        reserve=st.integers(0, 4),
        budgets=st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(4, 12)),
        n_known=st.integers(0, 3),
        strategy=st.sampled_from(["uniform", "least_confidence"]),
        n_delivered=st.sampled_from([0, 1, 1, 1]),
        annotation=st.sampled_from(ANNOTATION),
        ends=st.fixed_dictionaries({"trigger": TRIGGER, "stop_when": STOP}),
    )
    def start(
        self,
        overlap: int,
        reserve: int,
        budgets: tuple[int, int, int],
        n_known: int,
        strategy: str,
        n_delivered: int,
        annotation: dict[str, Any],
        ends: dict[str, Any],
    ) -> None:
        initial, per_round, total = budgets
        with transaction(self.factory) as session:
            project = create_draft(
                session,
                f"machine-{id(self)}",
                labels_per_item=overlap,
                reserve=reserve,
                initial_budget=initial,
                round_budget=per_round,
                total_budget=total,
                strategy=strategy,
                annotation=annotation,
                **ends,
            )
            self.project = project.id
            self._import(session, N_POOL)
            for i in range(n_known):
                import_texts(
                    session, self.settings, project.id, [f"k{i}"], class_name=CLASSES[i % 2]
                )
            import_texts(session, self.settings, project.id, ["e"], Split.EVALUATION, "a")
            set_gold(session, project.id, {f"k{i}": "a" for i in range(n_known)})
            lifecycle.start_project(session, project.id)
        self._read_items()
        self.deliver(n_delivered)

    def teardown(self) -> None:
        with transaction(self.factory) as session:
            session.execute(text("DELETE FROM projects"))

    @invariant()
    def promises_are_kept(self) -> None:
        with transaction(self.factory) as session:
            assert list(find_violations(session)) == []

    @invariant()
    def what_is_committed_is_counted_as_if_item_by_item(self) -> None:
        with transaction(self.factory) as session:
            found = batches.open_counts(session, self.project)
            by_item = session.execute(
                text(
                    "SELECT count(*) FILTER (WHERE is_taken), "
                    "count(*) FILTER (WHERE NOT is_taken AND source = 'batch'), "
                    "count(*) FILTER (WHERE NOT is_taken AND source = 'reserve') "
                    "FROM (SELECT source, is_requeued OR EXISTS (SELECT FROM batch_item_slots s "
                    "WHERE s.batch_item_id = b.id AND s.leased_by IS NOT NULL) AS is_taken "
                    "FROM batch_items b WHERE project_id = :project AND state = 'open') AS open"
                ).bindparams(project=self.project)
            ).one()
        assert (found.committed, found.batch, found.reserve) == tuple(by_item)

    @invariant()
    def accepted_labels_are_there_once(self) -> None:
        with transaction(self.factory) as session:
            rows = session.execute(
                text(
                    "SELECT annotator_id, item_id, class_index FROM labels "
                    "WHERE withdrawn_at IS NULL"
                )
            )
            stored = sorted((a, i, CLASSES[c]) for a, i, c in rows)
        assert stored == sorted((a, i, c) for (a, i), c in self.standing.items())

    @invariant()
    def fresh_models_were_trained_on_answers_that_stand(self) -> None:
        with transaction(self.factory) as session:
            snapshots = session.scalars(
                text(
                    "SELECT DISTINCT j.snapshot_hash FROM models m "
                    "LEFT JOIN rounds r ON r.model_id = m.id "
                    "JOIN jobs j ON j.project_id = m.project_id AND j.state = 'succeeded' "
                    "AND (j.round_id = r.id OR r.id IS NULL AND j.kind = 'train_target') "
                    "WHERE NOT m.stale"
                )
            ).all()
            index, classes = labels.resolved_arrays(session, self.project)
        now = dict(zip(index, classes, strict=True))
        for snapshot in snapshots:
            arrays = np.load(io.BytesIO(self.store.get(snapshot)))
            for i, class_index in zip(arrays["labeled_index"], arrays["labels"], strict=True):
                assert now.get(int(i)) == class_index


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_order_of_events_keeps_the_promises(
    session_factory: sessionmaker[Session], settings: Settings, database_url: str
) -> None:
    configured = settings.model_copy(
        update={"database_url": SecretStr(database_url), "device": "cpu"}
    )

    class Machine(LabelingMachine):
        def __init__(self) -> None:
            super().__init__(session_factory, configured)

    run_state_machine_as_test(Machine, settings=MACHINE)


MACHINE = hypothesis_settings(
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # shrinking takes minutes
)
