"""Items that cannot be read: set aside, replaced, left out, and taken back."""

import pytest
from sqlalchemy import select, text

from app.config import Settings
from app.db.queries import batches, labels, projects
from app.db.queries import set_aside as queries
from app.db.queries.invariants import find_violations
from app.db.queries.set_aside import Unreadable
from app.db.session import transaction
from app.db.tables import BatchItem, Event, Project, SkipReason
from app.domain.errors import NothingToTrainOn
from app.domain.states import BatchItemState, ProjectState
from app.services.budget import budget_state, n_selectable
from app.services.gold import set_gold
from app.services.labels import LabelEntry, submit_labels, withdraw_labels
from app.services.leases import next_batch, release_leases
from app.services.lifecycle import cancel_project, finish_project
from app.services.set_aside import Retried, set_items_aside, take_back
from app.services.skips import submit_skips
from svp_client import Client
from tests.loop import Factory, annotator, ids, import_texts, start_labeling


@pytest.fixture
def ada(session_factory: Factory) -> int:
    return annotator(session_factory, "ada")


@pytest.fixture
def project(session_factory: Factory, settings: Settings) -> int:
    """Ten items; the batch holds 0 to 2, the reserve 3 and 4."""
    return start_labeling(session_factory, settings, "p", initial_budget=3, total_budget=6)


def set_aside(factory: Factory, settings: Settings, project: int, *indices: int) -> int:
    unreadable = [Unreadable(i, "It is gone.") for i in ids(factory, project, *indices)]
    with transaction(factory) as session:
        return set_items_aside(session, project, unreadable, settings)


def retried(factory: Factory, settings: Settings, project: int, *indices: int) -> int:
    with transaction(factory) as session:
        found = Retried(ids(factory, project, *indices), [])
        return take_back(session, project, found, settings)


def handed_out(factory: Factory, settings: Settings, project: int, who: int) -> list[int]:
    with transaction(factory) as session:
        return [x.item.index for x in next_batch(session, project, who, 10, settings).items]


def label(factory: Factory, settings: Settings, project: int, who: int, *indices: int) -> None:
    entries = [LabelEntry(item, "a") for item in ids(factory, project, *indices)]
    with transaction(factory) as session:
        outcomes = submit_labels(session, project, who, entries, settings)
        assert {outcome.status for outcome in outcomes} == {"created"}


def state_of(factory: Factory, project: int, index: int) -> list[str]:
    (item,) = ids(factory, project, index)
    with transaction(factory) as session:
        found = session.scalars(select(BatchItem).where(BatchItem.item_id == item))
        return [batch_item.state for batch_item in found]


def check(factory: Factory) -> None:
    with transaction(factory) as session:
        assert list(find_violations(session)) == []


class TestSetItemsAside:
    def test_an_item_of_the_batch_leaves_it_and_the_next_of_the_reserve_takes_its_place(
        self, session_factory: Factory, settings: Settings, project: int, ada: int
    ) -> None:
        assert set_aside(session_factory, settings, project, 1) == 1
        with transaction(session_factory) as session:
            counts = batches.open_counts(session, project)
        assert (counts.batch, counts.reserve) == (3, 1)
        assert handed_out(session_factory, settings, project, ada) == [0, 2, 3, 4]
        check(session_factory)

    def test_whoever_holds_it_loses_the_lease(
        self, session_factory: Factory, settings: Settings, project: int, ada: int
    ) -> None:
        handed_out(session_factory, settings, project, ada)
        set_aside(session_factory, settings, project, 0, 4)
        assert handed_out(session_factory, settings, project, ada) == [1, 2, 3]
        check(session_factory)

    def test_no_selection_may_rank_it(
        self, session_factory: Factory, settings: Settings, project: int
    ) -> None:
        set_aside(session_factory, settings, project, 7, 1)
        with transaction(session_factory) as session:
            row = projects.get(session, project)
            assert batches.excluded_pool_indices(session, project).tolist() == [1, 7]
            assert 7 not in batches.selectable_items(session, project, range(10))
            assert n_selectable(session, row, budget_state(session, row)) == 8

    def test_a_labeled_item_is_not_trained_on_and_keeps_its_label(
        self, session_factory: Factory, settings: Settings, project: int, ada: int
    ) -> None:
        label(session_factory, settings, project, ada, 0, 1)
        set_aside(session_factory, settings, project, 0)
        with transaction(session_factory) as session:
            row = projects.get(session, project)
            index, classes = labels.resolved_arrays(session, project)
            assert (index.tolist(), classes.tolist()) == ([1], [0])
            assert row.n_labeled == 2
            assert n_selectable(session, row, budget_state(session, row)) == 8
        check(session_factory)

    def test_the_last_open_item_completes_its_round(
        self, session_factory: Factory, settings: Settings, ada: int
    ) -> None:
        project = start_labeling(session_factory, settings, "q", initial_budget=2, reserve=0)
        label(session_factory, settings, project, ada, 0)
        set_aside(session_factory, settings, project, 1)
        with transaction(session_factory) as session:
            states = session.execute(text("SELECT state FROM rounds ORDER BY number")).scalars()
            assert states.all() == ["completed", "selecting"]
        check(session_factory)

    def test_one_with_an_answer_keeps_it_and_counts_as_skipped(
        self, session_factory: Factory, settings: Settings, ada: int
    ) -> None:
        project = start_labeling(session_factory, settings, "q", labels_per_item=2)
        label(session_factory, settings, project, ada, 0)
        set_aside(session_factory, settings, project, 0)
        assert state_of(session_factory, project, 0) == [BatchItemState.SKIPPED]
        with transaction(session_factory) as session:
            assert session.scalar(text("SELECT count(*) FROM labels")) == 1
        check(session_factory)

    def test_again_changes_nothing(
        self, session_factory: Factory, settings: Settings, project: int
    ) -> None:
        set_aside(session_factory, settings, project, 1, 8)
        assert set_aside(session_factory, settings, project, 1, 8) == 0
        with transaction(session_factory) as session:
            told = session.scalars(select(Event).where(Event.name == "items.set_aside")).all()
            facts = [event.facts for event in told]
        assert facts == [
            {"n": 2, "items": ids(session_factory, project, 1, 8), "reason": "It is gone."}
        ]


class TestTakeBack:
    def test_it_may_be_selected_again(
        self, session_factory: Factory, settings: Settings, project: int
    ) -> None:
        set_aside(session_factory, settings, project, 1, 8)
        assert retried(session_factory, settings, project, 1, 8) == 2
        with transaction(session_factory) as session:
            assert queries.indices(session, project, "pool") == []
            assert batches.excluded_pool_indices(session, project).tolist() == []
            assert 1 in batches.selectable_items(session, project, [1, 8])
        check(session_factory)

    def test_one_with_an_answer_goes_on_with_it(
        self, session_factory: Factory, settings: Settings, ada: int
    ) -> None:
        project = start_labeling(session_factory, settings, "q", labels_per_item=2)
        label(session_factory, settings, project, ada, 0)
        set_aside(session_factory, settings, project, 0)
        retried(session_factory, settings, project, 0)
        assert state_of(session_factory, project, 0) == [BatchItemState.OPEN]
        label(session_factory, settings, project, annotator(session_factory, "bob"), 0)
        assert state_of(session_factory, project, 0) == [BatchItemState.LABELED]
        check(session_factory)

    def test_without_room_in_the_budget_one_with_an_answer_stays_skipped(
        self, session_factory: Factory, settings: Settings, ada: int
    ) -> None:
        given = {"labels_per_item": 2, "total_budget": 2, "reserve": 1}
        project = start_labeling(session_factory, settings, "q", **given)
        label(session_factory, settings, project, ada, 0)
        set_aside(session_factory, settings, project, 0)
        handed_out(session_factory, settings, project, ada)
        retried(session_factory, settings, project, 0)
        assert state_of(session_factory, project, 0) == [BatchItemState.SKIPPED]
        check(session_factory)

    def test_what_still_cannot_be_read_keeps_its_newest_reason(
        self, session_factory: Factory, settings: Settings, project: int
    ) -> None:
        set_aside(session_factory, settings, project, 1)
        (item,) = ids(session_factory, project, 1)
        with transaction(session_factory) as session:
            still = Retried([], [Unreadable(item, "It has changed.")])
            assert take_back(session, project, still, settings) == 0
        with transaction(session_factory) as session:
            ((_, row),) = queries.page(session, project, 0, 10)
            assert row.reason == "It has changed."


def test_a_project_that_waited_without_items_goes_on_with_one_that_can_be_read(
    session_factory: Factory, settings: Settings
) -> None:
    project = start_labeling(
        session_factory, settings, "q", 2, initial_budget=1, total_budget=2, reserve=0
    )
    set_aside(session_factory, settings, project, 1)
    set_aside(session_factory, settings, project, 0)
    check(session_factory)
    retried(session_factory, settings, project, 0)
    with transaction(session_factory) as session:
        row = session.get(Project, project)
        assert row is not None
        assert row.state == "running"
        newest = text("SELECT state FROM rounds ORDER BY number DESC LIMIT 1")
        assert session.scalar(newest) == "selecting"
    check(session_factory)


class TestRoutes:
    def test_they_are_listed_with_their_reason_and_read_again_on_request(
        self, admin: Client, session_factory: Factory, settings: Settings, project: int
    ) -> None:
        set_aside(session_factory, settings, project, 7, 8)
        page = admin.request("GET", f"/projects/{project}/set-aside?limit=1").json()
        (shown,) = page["items"]
        assert (shown["external_id"], shown["reason"]) == ("p-7", "It is gone.")
        after = f"/projects/{project}/set-aside?cursor={page['next_cursor']}"
        (second,) = admin.request("GET", after).json()["items"]
        one = {"item_ids": [second["item_id"]]}
        path = f"/projects/{project}/set-aside/retry"
        assert admin.request("POST", path, json=one).json() == {"n_taken_back": 1, "n_left": 1}
        assert admin.request("POST", path, json={}).json() == {"n_taken_back": 1, "n_left": 0}


class TestGold:
    """Gold that cannot be read is handed to nobody, until it can."""

    N_ITEMS = 30

    @pytest.fixture
    def gold(self) -> set[int]:
        """The indices of twelve gold items behind the others."""
        return set(range(self.N_ITEMS, self.N_ITEMS + 12))

    @pytest.fixture
    def with_gold(self, session_factory: Factory, settings: Settings, gold: set[int]) -> int:
        budgets = {"initial_budget": self.N_ITEMS, "total_budget": self.N_ITEMS, "reserve": 0}
        annotation = {"gold_fraction": 0.5, "gold_min_accuracy": 0.5}
        project = start_labeling(
            session_factory, settings, "p", self.N_ITEMS, annotation=annotation, **budgets
        )
        names = [f"gold-{i}" for i in gold]
        with transaction(session_factory) as session:
            import_texts(session, settings, project, names, class_name="a")
            outcomes = set_gold(session, project, dict.fromkeys(names))
        assert {outcome.status for outcome in outcomes} == {"created"}
        return project

    def test_what_is_set_aside_is_handed_to_nobody(
        self,
        session_factory: Factory,
        settings: Settings,
        ada: int,
        with_gold: int,
        gold: set[int],
    ) -> None:
        left = min(gold)
        set_aside(session_factory, settings, with_gold, *(gold - {left}))
        got = handed_out(session_factory, settings, with_gold, ada)
        assert gold & set(got) == {left}
        check(session_factory)

    def test_who_holds_it_holds_it_no_more_and_is_refused_as_with_any_item(
        self,
        session_factory: Factory,
        settings: Settings,
        ada: int,
        with_gold: int,
        gold: set[int],
    ) -> None:
        held = gold & set(handed_out(session_factory, settings, with_gold, ada))
        assert held
        set_aside(session_factory, settings, with_gold, *gold)
        for _ in range(3):  # neither as held nor as let go
            assert not gold & set(handed_out(session_factory, settings, with_gold, ada))
        (item,) = ids(session_factory, with_gold, min(held))
        with transaction(session_factory) as session:
            entries = [LabelEntry(item, "a")]
            outcomes = submit_labels(session, with_gold, ada, entries, settings)
            reason = SkipReason.AMBIGUOUS
            outcomes += submit_skips(session, with_gold, ada, [item], reason, settings)
        assert [outcome.code for outcome in outcomes] == ["not_in_batch"] * 2
        check(session_factory)

    def test_it_may_be_revised_and_undone_but_is_not_handed_out_by_that(
        self,
        session_factory: Factory,
        settings: Settings,
        ada: int,
        with_gold: int,
        gold: set[int],
    ) -> None:
        held = gold & set(handed_out(session_factory, settings, with_gold, ada))
        label(session_factory, settings, with_gold, ada, min(held))
        set_aside(session_factory, settings, with_gold, *gold)
        (item,) = ids(session_factory, with_gold, min(held))
        with transaction(session_factory) as session:
            entries = [LabelEntry(item, "b")]
            outcomes = submit_labels(session, with_gold, ada, entries, settings)
            outcomes += withdraw_labels(session, with_gold, ada, [item], settings)
        assert [outcome.status for outcome in outcomes] == ["revised", "withdrawn"]
        assert min(held) not in handed_out(session_factory, settings, with_gold, ada)

    def test_nobody_holds_gold_once_labeling_has_ended(
        self, session_factory: Factory, settings: Settings, ada: int, with_gold: int, gold: set[int]
    ) -> None:
        n_held = text("SELECT count(*) FROM gold_answers WHERE leased_until IS NOT NULL")
        assert gold & set(handed_out(session_factory, settings, with_gold, ada))
        with transaction(session_factory) as session:
            assert session.scalar(n_held)
            cancel_project(session, with_gold)
        with transaction(session_factory) as session:
            assert session.scalar(n_held) == 0

    def test_what_was_let_go_comes_again_once_it_can_be_read(
        self,
        session_factory: Factory,
        settings: Settings,
        ada: int,
        with_gold: int,
        gold: set[int],
    ) -> None:
        held = gold & set(handed_out(session_factory, settings, with_gold, ada))
        set_aside(session_factory, settings, with_gold, *gold)
        retried(session_factory, settings, with_gold, *held)
        with transaction(session_factory) as session:  # so that there is something new to hand out
            release_leases(session, with_gold, ada, None, settings)
        assert held <= gold
        assert gold & set(handed_out(session_factory, settings, with_gold, ada)) <= held
        assert gold & set(handed_out(session_factory, settings, with_gold, ada))
        check(session_factory)


class TestFinish:
    def test_when_every_labeled_item_is_set_aside_it_is_refused_and_says_what_to_do(
        self, session_factory: Factory, settings: Settings, ada: int, project: int
    ) -> None:
        handed_out(session_factory, settings, project, ada)
        label(session_factory, settings, project, ada, 0, 1)
        set_aside(session_factory, settings, project, 0, 1)
        refusal = pytest.raises(NothingToTrainOn, match=f"/projects/{project}/set-aside")
        with refusal, transaction(session_factory) as session:
            finish_project(session, project)
        assert retried(session_factory, settings, project, 1) == 1
        with transaction(session_factory) as session:
            assert finish_project(session, project).state == ProjectState.TRAINING_TARGET
        check(session_factory)
