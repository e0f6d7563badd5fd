"""A project's way through its states."""

from enum import StrEnum
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings
from app.domain.errors import TransitionNotAllowed
from app.domain.states import (
    ALLOWED_TRANSITIONS,
    BatchItemState,
    JobState,
    ProjectState,
    RoundState,
    check_transition,
)
from svp_client import Client, ClientError
from tests.loop import label, publish_in_order


class TestTransitions:
    @pytest.mark.parametrize("states", [ProjectState, RoundState, JobState, BatchItemState])
    def test_every_state_has_its_row(self, states: type[StrEnum]) -> None:
        assert set(ALLOWED_TRANSITIONS[states]) == set(states)

    @pytest.mark.parametrize(
        "path",
        [
            "draft running paused running training_target finished",
            "draft running cancelled",
            "draft running paused cancelled",
            "draft running training_target finished paused running training_target",
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

    def test_a_cancelled_project_can_but_be_deleted_a_finished_one_also_reopened(self) -> None:
        allowed = ALLOWED_TRANSITIONS[ProjectState]
        assert allowed[ProjectState.CANCELLED] == {ProjectState.DELETING}
        assert allowed[ProjectState.FINISHED] == {ProjectState.PAUSED, ProjectState.DELETING}


class TestStates:
    def test_paused_project_leases_nothing_but_takes_late_labels(
        self, admin: Client, running: int
    ) -> None:
        items = admin.next_batch(running, 1)["items"]
        admin.request("POST", f"/projects/{running}/pause")
        assert admin.next_batch(running, 1)["items"] == []
        assert label(admin, running, items) == ["created"]
        assert admin.request("POST", f"/projects/{running}/resume").json()["state"] == "running"

    def test_finish_queues_the_target_and_refuses_more_labels(
        self, admin: Client, running: int
    ) -> None:
        items = admin.next_batch(running, 2)["items"]
        label(admin, running, items[:1])
        project = admin.request("POST", f"/projects/{running}/finish").json()
        assert project["state"] == "training_target"
        assert admin.jobs(running)[0]["kind"] == "train_target"
        with pytest.raises(ClientError) as refusal:
            label(admin, running, items[1:])
        assert refusal.value.code == "project_not_accepting"

    def test_finish_without_a_label_is_refused(self, admin: Client, running: int) -> None:
        with pytest.raises(ClientError) as refusal:
            admin.request("POST", f"/projects/{running}/finish")
        assert refusal.value.code == "project_not_accepting"

    def test_cancel_takes_the_job_away(self, admin: Client, text_project: int) -> None:
        admin.start(text_project)
        admin.request("POST", f"/projects/{text_project}/cancel")
        assert admin.jobs(text_project)[0]["state"] == "cancelled"
        with pytest.raises(ClientError) as refusal:
            admin.start(text_project)
        assert refusal.value.code == "transition_not_allowed"

    def test_spent_budget_leads_to_the_target(
        self,
        admin: Client,
        running: int,
        session_factory: sessionmaker[Session],
        settings: Settings,
    ) -> None:
        label(admin, running, admin.next_batch(running, 8)["items"])
        publish_in_order(session_factory, settings, running, 40)
        label(admin, running, admin.next_batch(running, 8)["items"])
        assert admin.project(running)["state"] == "training_target"
        assert admin.project(running)["n_labeled"] == 12
