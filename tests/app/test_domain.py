"""Properties of the domain's pure functions: states, budget, leases, consensus."""

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.budget import BudgetState, next_batch_budget, ranking_length
from app.domain.consensus import resolve
from app.domain.errors import TransitionNotAllowed
from app.domain.lease import is_committed, slot_for_answer
from app.domain.states import (
    ALLOWED_TRANSITIONS,
    BatchItemState,
    JobState,
    ProjectState,
    RoundState,
    check_transition,
)

COUNT = st.integers(0, 50)


@dataclass
class FakeSlot:
    slot: int
    leased_by: int | None
    filled: bool
    reserved_for: int | None = None
    for_adjudicator: bool = False


SLOTS = st.lists(st.sampled_from([None, 1, 2, 3]), min_size=1, max_size=4).flatmap(
    lambda holders: st.tuples(
        *(st.booleans() if h is not None else st.just(value=False) for h in holders)
    ).map(
        lambda filled: [
            FakeSlot(i, h, f) for i, (h, f) in enumerate(zip(holders, filled, strict=True), 1)
        ]
    )
)


class TestStates:
    @pytest.mark.parametrize("states", [ProjectState, RoundState, JobState, BatchItemState])
    def test_every_state_has_its_row(self, states: type[StrEnum]) -> None:
        assert set(ALLOWED_TRANSITIONS[states]) == set(states)

    @pytest.mark.parametrize(
        "path",
        [
            "draft running paused running training_target finished",
            "draft running cancelled",
            "draft running paused cancelled",
        ],
    )
    def test_courses_of_a_project(self, path: str) -> None:
        states = [ProjectState(word) for word in path.split()]
        for old, new in pairwise(states):
            check_transition("project 1", old, new)

    @given(st.sampled_from(list(ProjectState)), st.sampled_from(list(ProjectState)))
    def test_what_the_table_lacks_is_refused_with_what_may_follow(
        self, old: ProjectState, new: ProjectState
    ) -> None:
        allowed = ALLOWED_TRANSITIONS[ProjectState][old]
        if new in allowed:
            check_transition("project 1", old, new)
            return
        with pytest.raises(TransitionNotAllowed) as refusal:
            check_transition("project 1", old, new)
        assert all(state in refusal.value.detail for state in allowed)

    def test_ended_states_have_no_successor(self) -> None:
        ended = [ProjectState.FINISHED, ProjectState.CANCELLED]
        assert not any(ALLOWED_TRANSITIONS[ProjectState][state] for state in ended)


class TestBudget:
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


class TestLease:
    @given(SLOTS, st.integers(1, 4))
    def test_an_answer_fills_the_own_slot_or_a_free_one(
        self, slots: list[FakeSlot], annotator: int
    ) -> None:
        slot = slot_for_answer(slots, annotator)
        own = [s for s in slots if s.leased_by == annotator and not s.filled]
        free = [s for s in slots if s.leased_by is None]
        assert slot is next(iter(own or free), None)

    @given(SLOTS)
    def test_an_item_is_committed_once_somebody_holds_it(self, slots: list[FakeSlot]) -> None:
        assert is_committed(slots) == (len([s for s in slots if s.leased_by]) > 0)


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
