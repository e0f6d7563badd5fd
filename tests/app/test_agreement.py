"""Agreement and consensus against the libraries' slow definitions."""

from collections import Counter

import krippendorff
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import cohen_kappa_score

from app.config import Settings
from app.domain.agreement import (
    ClassCounts,
    cohen_kappa,
    fleiss_kappa,
    krippendorff_alpha,
    wilson_interval,
)
from app.domain.annotation import AnnotationOptions, labels_wanted
from app.domain.consensus import decide, resolve
from svp_client import Client
from tests.app.conftest import Start
from tests.loop import CLASSES, Factory, give, poll, publish_in_order

LABELS = st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=5), min_size=1, max_size=12)
ANSWERS = st.lists(st.integers(0, 3), max_size=6)


def counts_of(items: list[list[int]]) -> ClassCounts:
    counts = ClassCounts()
    for labels in items:
        m, by_class = len(labels), Counter(labels)
        if m < 2:
            continue
        counts.add(
            ClassCounts(
                1,
                dict(by_class),
                {c: n * (n - 1) / (m - 1) for c, n in by_class.items()},
                sum(n * (n - 1) for n in by_class.values()) / (m * (m - 1)),
            )
        )
    return counts


class TestAgreement:
    @given(LABELS)
    def test_alpha_is_krippendorffs(self, items: list[list[int]]) -> None:
        table = np.array([[labels.count(c) for c in range(4)] for labels in items])
        shared = table[table.sum(axis=1) >= 2]
        alpha = krippendorff_alpha(counts_of(items))
        if (shared.sum(axis=0) > 0).sum() < 2:
            assert alpha is None
            return
        expected = krippendorff.alpha(value_counts=table, level_of_measurement="nominal")
        assert alpha == pytest.approx(expected)

    @given(st.lists(st.lists(st.integers(0, 2), min_size=3, max_size=3), min_size=2, max_size=10))
    def test_fleiss_kappa_by_its_definition(self, items: list[list[int]]) -> None:
        table = np.array([[labels.count(c) for c in range(3)] for labels in items])
        observed = ((table**2).sum(axis=1) - 3).mean() / 6
        by_chance = ((table.sum(axis=0) / table.sum()) ** 2).sum()
        kappa = fleiss_kappa(counts_of(items))
        if by_chance == 1:
            assert kappa is None
        else:
            assert kappa == pytest.approx((observed - by_chance) / (1 - by_chance))

    @given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=30))
    def test_cohens_kappa_is_scikit_learns(self, pairs: list[tuple[int, int]]) -> None:
        kappa = cohen_kappa(Counter(pairs))
        first, second = ([p[side] for p in pairs] for side in (0, 1))
        if len({*first, *second}) == 1:
            assert kappa is None
        else:
            assert kappa == pytest.approx(cohen_kappa_score(first, second))

    @given(st.integers(1, 200).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
    def test_interval_is_wilsons(self, trials: tuple[int, int]) -> None:
        expected = binomtest(*trials).proportion_ci(method="wilson")
        assert wilson_interval(*trials) == pytest.approx((expected.low, expected.high), abs=1e-9)


class TestDecide:
    @given(ANSWERS, st.integers(1, 4), st.integers(0, 3), st.floats(0, 1), st.booleans())
    def test_it_waits_resolves_or_asks_for_one_more(
        self, classes: list[int], wanted: int, more: int, least: float, adjudicators: bool
    ) -> None:
        decision = decide(classes, wanted, wanted + more, least, may_adjudicate=adjudicators)
        if len(classes) < wanted:
            assert decision.n_more == wanted - len(classes)
            return
        counts = sorted(Counter(classes).values(), reverse=True)
        agreed = counts[0] / len(classes) >= least and counts[:1] != counts[1:2]
        if agreed or (len(classes) >= wanted + more and not adjudicators):
            assert decision.class_index == resolve(classes, wanted)
        elif len(classes) < wanted + more:
            assert (decision.class_index, decision.n_more) == (None, 1)
        else:
            assert decision.class_index is None
            assert decision.wants_adjudicator

    def test_an_adjudicator_decides(self) -> None:
        decision = decide([0, 0, 1], 3, 3, 1.0, may_adjudicate=True, adjudicated=1)
        assert decision.class_index == 1
        assert decision.agreement == pytest.approx(2 / 3)


@given(st.integers(0, 2**31), st.floats(0, 1))
def test_a_share_of_the_items_is_drawn_by_seed_and_index(seed: int, fraction: float) -> None:
    options = AnnotationOptions(overlap_fraction=fraction)
    wanted = [labels_wanted(options, 3, seed, index) for index in range(400)]
    assert wanted == [labels_wanted(options, 3, seed, index) for index in range(400)]
    assert set(wanted) <= {1, 3}
    assert abs(wanted.count(3) / 400 - fraction) < 0.15


@pytest.mark.usefixtures("promises")
class TestAgreementOfAProject:
    def test_it_is_what_the_libraries_compute_of_the_labels(
        self,
        admin: Client,
        people: list[Client],
        start: Start,
        session_factory: Factory,
        settings: Settings,
    ) -> None:
        rng = np.random.default_rng(3)
        project = start(
            n_items=30, labels_per_item=3, initial_budget=12, total_budget=20, round_budget=8
        )
        for _ in range(2):
            for client in people:
                for item in poll(client, project, 9):
                    give(client, project, [item], CLASSES[int(rng.random() < 0.3)])
            if admin.rounds(project)[-1]["state"] != "labeling":
                publish_in_order(session_factory, settings, project, 30)
        names = ["ada", "bob", "eve", "ivy"]
        given = [
            [next((x["class"] for x in row["labels"] if x["annotator"] == n), None) for n in names]
            for row in admin.export_labels(project)
        ]
        counts = np.array([[row.count(c) for c in CLASSES] for row in given])
        shown = admin.agreement(project)
        alpha = krippendorff.alpha(value_counts=counts, level_of_measurement="nominal")
        assert shown["project"]["krippendorff_alpha"] == pytest.approx(alpha)
        pair = next(p for p in shown["pairs"] if (p["first"], p["second"]) == ("ada", "bob"))
        both = [(row[0], row[1]) for row in given if row[0] and row[1]]
        assert pair["n_items"] == len(both)
        assert pair["cohen_kappa"] == pytest.approx(
            cohen_kappa_score(*(list(side) for side in zip(*both, strict=True)))
        )
        numbers = [r["round"] for r in shown["rounds"]]
        assert numbers == sorted(set(numbers))
        assert sum(r["n_items"] for r in shown["rounds"]) == shown["project"]["n_items"]
        assert [a["name"] for a in shown["annotators"]] == names

    def test_without_shared_items_it_says_nothing(
        self, admin: Client, people: list[Client], start: Start
    ) -> None:
        project = start()
        give(people[0], project, poll(people[0], project, 2))
        shown = admin.agreement(project)
        assert shown["project"]["krippendorff_alpha"] is None
        (ada,) = shown["annotators"]
        assert (ada["name"], ada["n_resolved"], ada["with_consensus"]) == ("ada", 0, None)

    def test_agreement_with_the_consensus_counts_only_items_that_others_labeled_too(
        self, admin: Client, people: list[Client], start: Start
    ) -> None:
        """Half of the items have one label: their consensus is a copy and says nothing."""
        project = start(
            n_items=30,
            labels_per_item=2,
            initial_budget=20,
            total_budget=20,
            annotation={"overlap_fraction": 0.5},
        )
        for client, name in zip(people[:2], CLASSES, strict=False):  # they never agree
            while items := poll(client, project, 20):
                give(client, project, items, name)
        rows = [row["labels"] for row in admin.export_labels(project)]
        n_shared = sum(len(labels) == 2 for labels in rows)
        assert 0 < n_shared < len(rows)
        shown = {entry["name"]: entry for entry in admin.agreement(project)["annotators"]}
        assert {entry["n_resolved"] for entry in shown.values()} == {n_shared}
        assert sum(entry["with_consensus"] or 0.0 for entry in shown.values()) == pytest.approx(1.0)
