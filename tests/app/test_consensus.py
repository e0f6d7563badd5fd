"""Consensus: majority, ties, adjudicators."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.consensus import resolve
from svp_client import Client
from tests.app.conftest import MakeClient, Start
from tests.loop import give, poll


@pytest.mark.usefixtures("promises")
class TestAdjudication:
    @pytest.fixture
    def disputed(self, people: list[Client], start: Start) -> tuple[int, int]:
        """A project whose best item has labels a and b and waits for ivy."""
        project = start(
            labels_per_item=2,
            initial_budget=3,
            reserve=0,
            annotation={"adjudicators": ["ivy"], "min_agreement": 0.9},
        )
        for client, name in zip(people[:2], "ab", strict=True):
            item = poll(client, project, 3)[2]
            client.release_leases(project)
            give(client, project, [item], name)
        return project, item

    def test_the_adjudicator_gets_it_first_and_others_never(
        self, people: list[Client], disputed: tuple[int, int]
    ) -> None:
        project, item = disputed
        assert item not in poll(people[2], project, 5)
        assert poll(people[3], project, 1) == [item]

    def test_the_adjudicators_class_stands_whatever_the_others_say(
        self, admin: Client, people: list[Client], disputed: tuple[int, int]
    ) -> None:
        project, item = disputed
        assert give(people[2], project, [item], "a") == ["leased_to_another"]
        assert give(people[3], project, [item], "b") == ["created"]
        assert give(people[1], project, [item], "a") == ["revised"]
        (row,) = admin.export_labels(project)
        assert (row["class"], row["method"], row["agreement"]) == ("b", "adjudicated", 1.0)
        assert [x["is_adjudication"] for x in row["labels"]] == [False, False, True]

    def test_without_adjudicators_any_more_the_majority_stands(
        self, admin: Client, disputed: tuple[int, int]
    ) -> None:
        project, item = disputed
        admin.change_annotation(project, adjudicators=[])
        (row,) = admin.export_labels(project)
        assert (row["item_id"], row["class"], row["method"]) == (item, "a", "majority")

    def test_who_labeled_an_item_does_not_adjudicate_it(
        self, admin: Client, people: list[Client], start: Start
    ) -> None:
        project = start(
            labels_per_item=2, initial_budget=1, reserve=0, annotation={"adjudicators": ["bob"]}
        )
        for client, name in zip(people[:2], "ab", strict=True):
            give(client, project, poll(client, project, 1), name)
        (row,) = admin.export_labels(project)
        assert (row["class"], row["method"]) == ("a", "majority")


@pytest.mark.usefixtures("promises")
class TestSeveralLabels:
    def test_item_wants_labels_of_different_annotators_and_resolves_by_majority(
        self, admin: Client, make_client: MakeClient, start: Start
    ) -> None:
        project = start(labels_per_item=3, initial_budget=1, reserve=0)
        people = [admin, make_client("ada"), make_client("bob")]
        (item,) = poll(people[0], project, 2)
        for person, name in zip(people, "bab", strict=True):
            assert poll(person, project, 2) == [item]
            assert give(person, project, [item], name) == ["created"]
        assert poll(people[0], project, 2) == []
        assert [x["class"] for x in admin.export_labels(project)] == ["b"]
        assert give(make_client("eve"), project, [item]) == ["already_labeled"]

    def test_undone_opinion_reopens_the_item(
        self, admin: Client, make_client: MakeClient, start: Start
    ) -> None:
        project = start(labels_per_item=2, initial_budget=1, reserve=0)
        ada = make_client("ada")
        (item,) = poll(admin, project, 1)
        give(admin, project, [item])
        poll(ada, project, 1)
        give(ada, project, [item], "b")
        assert admin.project(project)["n_labeled"] == 1
        ada.withdraw_labels(project, [item])
        assert admin.project(project)["n_labeled"] == 0
        assert poll(ada, project, 1) == [item]


class TestConsensus:
    @given(st.lists(st.integers(0, 3), max_size=6), st.integers(1, 5))
    def test_majority_wins_and_ties_go_to_the_first_given(
        self, classes: list[int], wanted: int
    ) -> None:
        resolved = resolve(classes, wanted)
        if len(classes) < wanted:
            assert resolved is None
            return
        assert resolved is not None
        counts = Counter(classes)
        best = [c for c in counts if counts[c] == max(counts.values())]
        assert resolved in best
        assert classes.index(resolved) == min(classes.index(c) for c in best)
