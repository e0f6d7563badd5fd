"""Budget: batch sizes, late labels, and when the target waits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.config import Settings
from app.domain.budget import BudgetState, next_batch_budget, ranking_length
from app.services import jobs
from svp_client import Client
from tests.app.conftest import MakeClient, Start
from tests.loop import Factory, expire_leases, give, poll, publish_in_order


@pytest.mark.usefixtures("promises")
class TestBudget:
    def test_late_label_on_reserve_stops_at_the_total_budget(
        self, admin: Client, make_client: MakeClient, start: Start
    ) -> None:
        project = start(total_budget=3, reserve=3)
        assert len(poll(admin, project, 9)) == 3
        listed = admin.request("GET", f"/projects/{project}/items").json()["items"]
        unleased_reserve = [item["item_id"] for item in listed][3:5]
        assert give(make_client("ada"), project, unleased_reserve) == ["budget_spent"] * 2
        admin.release_leases(project)
        assert give(make_client("ada"), project, unleased_reserve) == ["created", "budget_spent"]

    def test_last_round_is_cut_to_what_is_left(
        self, admin: Client, start: Start, session_factory: Factory, settings: Settings
    ) -> None:
        project = start(total_budget=3, reserve=0)
        give(admin, project, poll(admin, project, 2))
        assert [r["budget"] for r in admin.rounds(project)] == [2, 1]
        publish_in_order(session_factory, settings, project, 10)
        give(admin, project, poll(admin, project, 9))
        assert admin.project(project)["state"] == "training_target"

    def test_target_waits_while_the_rest_is_under_lease(
        self, admin: Client, make_client: MakeClient, start: Start
    ) -> None:
        project = start(total_budget=3, reserve=1)
        ada = make_client("ada")
        held = poll(ada, project, 3)
        give(ada, project, held[:2])
        assert admin.project(project)["state"] == "running"
        assert admin.project(project)["round"] == {"number": 0, "state": "completed"}
        give(ada, project, held[2:])
        assert admin.project(project)["state"] == "training_target"

    def test_leases_that_end_return_their_budget_to_a_new_round(
        self,
        admin: Client,
        make_client: MakeClient,
        start: Start,
        session_factory: Factory,
        settings: Settings,
    ) -> None:
        project = start(total_budget=3, reserve=1)
        ada = make_client("ada")
        held = poll(ada, project, 3)
        give(ada, project, held[:2])
        expire_leases(session_factory, project)
        assert jobs.sweep(session_factory, settings).freed_leases == 1
        assert [(r["state"], r["budget"]) for r in admin.rounds(project)] == [
            ("completed", 2),
            ("selecting", 1),
        ]


COUNT = st.integers(0, 50)


class TestBatchSizes:
    @given(COUNT, COUNT, COUNT, COUNT, COUNT, COUNT)
    def test_batch_and_reserve_never_exceed_the_total(
        self, total: int, labeled: int, committed: int, open_batch: int, wanted: int, pool: int
    ) -> None:
        state = BudgetState(total, labeled, committed, open_batch)
        batch = next_batch_budget(wanted, state, pool)
        spent = labeled + committed
        assert 0 <= batch <= min(wanted, pool)
        assert spent + batch <= max(total, spent)
        assert spent + open_batch + state.left_for_reserve <= max(total, spent + open_batch)

    @given(COUNT, COUNT)
    def test_all_that_is_left_can_be_spent(self, total: int, labeled: int) -> None:
        left = max(0, total - labeled)
        assert next_batch_budget(10**6, BudgetState(total, labeled, 0, 0), 10**6) == left

    def test_nothing_is_left_while_the_rest_is_under_lease(self) -> None:
        assert next_batch_budget(5, BudgetState(10, 7, 3, 0), 100) == 0

    @given(COUNT, COUNT, COUNT, COUNT)
    def test_ranking_holds_what_may_drop_out(
        self, batch: int, reserve: int, may_drop_out: int, n_selectable: int
    ) -> None:
        n = ranking_length(batch, reserve, may_drop_out, n_selectable)
        assert n == n_selectable or n - may_drop_out == batch + reserve
