"""Database statements per request of labels, and entries of one request that affect each other."""

from collections.abc import Callable

import pytest
from sqlalchemy import text

from app.config import Settings
from app.db.queries.invariants import find_violations
from app.db.session import transaction
from app.db.tables import SkipReason
from app.services.answers import Outcome
from app.services.labels import LabelEntry, submit_labels
from app.services.leases import next_batch, release_leases
from app.services.skips import submit_skips
from tests.loop import Factory, annotator, start_labeling
from tests.statements import counted

Give = Callable[[list[tuple[int, str]]], list[Outcome]]


@pytest.fixture
def ada(session_factory: Factory) -> int:
    return annotator(session_factory, "ada")


@pytest.fixture
def project(session_factory: Factory, settings: Settings) -> int:
    return start_labeling(
        session_factory, settings, "p", 60, initial_budget=50, total_budget=60, reserve=10
    )


@pytest.fixture
def items(session_factory: Factory, settings: Settings, project: int, ada: int) -> list[int]:
    """The items that ada holds: the whole batch and the reserve, in order of rank."""
    with transaction(session_factory) as session:
        leased = next_batch(session, project, ada, 60, settings).items
    return [item.item.id for item in leased]


@pytest.fixture
def give(session_factory: Factory, settings: Settings, project: int, ada: int) -> Give:
    def give_(labels: list[tuple[int, str]]) -> list[Outcome]:
        entries = [LabelEntry(item, name) for item, name in labels]
        with transaction(session_factory) as session:
            return submit_labels(session, project, ada, entries, settings)

    return give_


class TestStatements:
    @pytest.mark.parametrize("name", ["a", "b"], ids=["created", "revised"])
    def test_as_many_for_forty_labels_as_for_one(
        self, session_factory: Factory, items: list[int], give: Give, name: str
    ) -> None:
        if name == "b":
            give([(item, "a") for item in items[:41]])
        with counted(session_factory) as one:
            give([(items[40], name)])
        with counted(session_factory) as forty:
            give([(item, name) for item in items[:40]])
        assert len(forty) == len(one)


class TestStatementsOfPolls:
    @pytest.mark.parametrize("n_held", [0, 50], ids=["batch", "reserve"])
    def test_four_for_a_poll_and_five_to_give_back(
        self, session_factory: Factory, settings: Settings, project: int, ada: int, n_held: int
    ) -> None:
        bob = annotator(session_factory, "bob")
        with transaction(session_factory) as session:
            next_batch(session, project, bob, n_held, settings)
        with counted(session_factory) as sent, transaction(session_factory) as session:
            assert len(next_batch(session, project, ada, 5, settings).items) == 5
        assert len(sent) == 4
        with counted(session_factory) as sent, transaction(session_factory) as session:
            assert release_leases(session, project, ada, None, settings) == []
        assert len(sent) == 5


class TestEntriesThatMeet:
    def test_a_second_answer_in_the_same_request_revises_the_first(
        self, session_factory: Factory, items: list[int], give: Give
    ) -> None:
        outcomes = give([(items[0], "a"), (items[0], "b"), (items[0], "b")])
        assert [o.status for o in outcomes] == ["created", "revised", "unchanged"]
        with transaction(session_factory) as session:
            labels = session.execute(text("SELECT class_index FROM labels")).scalars().all()
            earlier = session.execute(text("SELECT class_index FROM label_revisions")).scalars()
            assert (labels, earlier.all()) == ([1], [0])
            assert list(find_violations(session)) == []

    def test_reserve_that_takes_a_skipped_place_is_replaced_when_it_is_skipped_too(
        self,
        session_factory: Factory,
        settings: Settings,
        project: int,
        ada: int,
        items: list[int],
    ) -> None:
        skipped = [items[0], items[50]]  # the worst reserve item would stay reserve
        with transaction(session_factory) as session:
            submit_skips(session, project, ada, skipped, SkipReason.OTHER, settings)
        with transaction(session_factory) as session:
            n_open = session.scalar(
                text("SELECT count(*) FROM batch_items WHERE source = 'batch' AND state = 'open'")
            )
        assert n_open == 50
