"""Annotations of Label Studio become labels, revisions, withdrawals and skips."""

import pytest

from app.db.session import transaction
from app.services.lifecycle import cancel_project, pause_project, resume_project
from tests.app.label_studio.conftest import MakeBridge
from tests.label_studio.bridge import Bridge
from tests.label_studio.fake import ADA, BOB, Fake


class TestLabels:
    def test_an_annotation_becomes_a_label_of_the_person_by_e_mail(
        self, bridge: Bridge, fake: Fake
    ) -> None:
        bridge.sync()
        fake.annotate(bridge.task(0), "a")
        assert bridge.sync().n_answers == 1
        assert bridge.labels() == {0: {"ada": "a"}}
        assert bridge.ask("SELECT name FROM annotators WHERE name LIKE '%@%'") == [
            ("ada@example.com",)
        ]
        assert bridge.ask("SELECT seconds FROM labels") == [(3.2,)]
        assert bridge.sync().n_answers == 0

    def test_the_last_one_completes_the_round(self, bridge: Bridge, fake: Fake) -> None:
        bridge.sync()
        fake.annotate(bridge.task(0), "a")
        fake.annotate(bridge.task(1), "b", BOB)
        bridge.sync()
        assert bridge.round_number() == 1
        assert bridge.resolved() == {0: "a", 1: "b"}

    def test_a_newer_version_of_it_revises_the_label(self, bridge: Bridge, fake: Fake) -> None:
        bridge.sync()
        annotation = fake.annotate(bridge.task(0), "a")
        bridge.sync()
        fake.revise(annotation, "b")
        bridge.sync()
        assert bridge.labels() == {0: {"ada": "b"}}
        assert bridge.ask("SELECT class_index FROM label_revisions") == [(0,)]

    def test_the_newest_of_several_by_one_person_counts(self, bridge: Bridge, fake: Fake) -> None:
        bridge.sync()
        fake.annotate(bridge.task(0), "a")
        second = fake.annotate(bridge.task(0), "b")
        bridge.sync()
        assert bridge.labels() == {0: {"ada": "b"}}
        fake.delete(second)
        bridge.sync()
        assert bridge.labels() == {0: {"ada": "a"}}

    def test_a_revision_after_its_round_changes_the_label_too(
        self, bridge: Bridge, fake: Fake
    ) -> None:
        bridge.sync()
        first = fake.annotate(bridge.task(0), "a")
        fake.annotate(bridge.task(1), "a")
        bridge.sync()
        fake.revise(first, "b")
        bridge.sync()
        assert bridge.resolved() == {0: "b", 1: "a"}

    def test_one_without_a_choice_is_no_answer(self, bridge: Bridge, fake: Fake) -> None:
        bridge.sync()
        annotation = fake.annotate(bridge.task(0), None)
        bridge.sync()
        assert bridge.labels() == {}
        assert bridge.codes() == [("no_single_choice", False)]
        fake.revise(annotation, "a")
        bridge.sync()
        assert bridge.labels() == {0: {"ada": "a"}}

    def test_one_by_nobody_is_an_import_s(self, bridge: Bridge, fake: Fake) -> None:
        bridge.sync()
        annotation = fake.annotate(bridge.task(0), "a")
        fake.annotations[annotation]["completed_by"] = None
        bridge.sync()
        assert bridge.labels() == {0: {"Label Studio import": "a"}}

    def test_a_person_stays_the_same_when_their_e_mail_changes(
        self, bridge: Bridge, fake: Fake
    ) -> None:
        bridge.sync()
        annotation = fake.annotate(bridge.task(0), "a")
        bridge.sync()
        fake.emails[ADA] = "lovelace@example.com"
        fake.revise(annotation, "b")
        fake.annotate(bridge.task(1), "b")
        bridge.sync()
        assert bridge.labels() == {0: {"ada": "b"}, 1: {"ada": "b"}}


class TestDeletions:
    def test_a_deleted_annotation_is_withdrawn_and_its_task_keeps_the_item(
        self, bridge: Bridge, fake: Fake
    ) -> None:
        bridge.sync()
        annotation = fake.annotate(bridge.task(0), "a")
        bridge.sync()
        fake.delete(annotation)
        bridge.sync()
        assert bridge.labels() == {}
        assert set(bridge.held()) == {0, 1}
        fake.annotate(bridge.task(0), "b", BOB)
        bridge.sync()
        assert bridge.labels() == {0: {"bob": "b"}}

    def test_after_its_round_the_item_is_open_again(self, bridge: Bridge, fake: Fake) -> None:
        bridge.sync()
        first = fake.annotate(bridge.task(0), "a")
        fake.annotate(bridge.task(1), "a")
        bridge.sync()
        fake.delete(first)
        bridge.sync()
        assert bridge.states()[0] == "open"
        assert 0 in bridge.held()
        fake.annotate(bridge.task(0), "b")
        bridge.sync()
        assert bridge.resolved() == {0: "b", 1: "a"}

    def test_a_deleted_task_frees_its_item_and_is_pushed_again_when_asked(
        self, bridge: Bridge, fake: Fake
    ) -> None:
        bridge.sync()
        fake.delete_task(bridge.task(0))
        bridge.sync()
        assert set(bridge.held()) == {1}
        assert bridge.shown() == [1]
        bridge.sync(again=True)
        assert bridge.shown() == [1, 0]
        assert set(bridge.held()) == {0, 1}

    def test_labels_of_a_deleted_task_stay(self, bridge: Bridge, fake: Fake) -> None:
        bridge.sync()
        fake.annotate(bridge.task(0), "a")
        bridge.sync()
        fake.delete_task(bridge.task(0))
        bridge.sync()
        assert bridge.labels() == {0: {"ada": "a"}}

    def test_ids_that_are_given_again_are_not_taken_for_the_same(
        self, bridge: Bridge, fake: Fake
    ) -> None:
        bridge.sync()
        first = fake.annotate(bridge.task(0), "a")
        bridge.sync()
        fake.delete(first)
        assert fake.annotate(bridge.task(1), "b", BOB) == first  # another task, another person
        bridge.sync()
        assert bridge.labels() == {1: {"bob": "b"}}
        fake.delete(first)
        assert fake.annotate(bridge.task(1), "b", ADA) == first  # another person
        bridge.sync()
        assert bridge.labels() == {1: {"ada": "b"}}
        gone = bridge.task(1)
        fake.delete_task(gone)
        (again,) = fake.import_("POST", {}, [{"data": {"text": "somebody else's"}}], 1)[1][
            "task_ids"
        ]
        assert again == gone
        fake.annotate(again, "a")
        bridge.sync()
        assert bridge.labels() == {1: {"ada": "b"}}
        assert again in fake.tasks


class TestSkips:
    def test_a_skip_passes_the_item_on_and_the_next_takes_its_place(
        self, bridge: Bridge, fake: Fake
    ) -> None:
        bridge.sync()
        fake.skip(bridge.task(0))
        bridge.sync()
        assert bridge.states()[0] == "skipped"
        assert bridge.shown() == [0, 1, 2]
        (facts,) = bridge.ask("SELECT skip_reason, skip_comment FROM batch_items WHERE rank = 0")
        assert facts == ("other", "Skipped in Label Studio.")

    @pytest.mark.parametrize("user", [ADA, BOB])
    def test_a_later_real_answer_wins(self, bridge: Bridge, fake: Fake, user: int) -> None:
        bridge.sync()
        fake.skip(bridge.task(0))
        bridge.sync()
        fake.annotate(bridge.task(0), "b", user)
        bridge.sync()
        name = {ADA: "ada", BOB: "bob"}[user]
        assert bridge.labels() == {0: {name: "b"}}
        assert bridge.states()[0] == "labeled"

    def test_the_same_annotation_may_become_real(self, bridge: Bridge, fake: Fake) -> None:
        bridge.sync()
        annotation = fake.skip(bridge.task(0))
        bridge.sync()
        fake.revise(annotation, "a")
        bridge.sync()
        assert bridge.labels() == {0: {"ada": "a"}}

    def test_a_skip_that_is_deleted_opens_the_item_again(self, bridge: Bridge, fake: Fake) -> None:
        bridge.sync()
        annotation = fake.skip(bridge.task(0))
        bridge.sync()
        fake.delete(annotation)
        bridge.sync()
        assert bridge.states()[0] == "open"

    def test_a_skip_of_a_labeled_item_changes_nothing(self, bridge: Bridge, fake: Fake) -> None:
        bridge.sync()
        fake.annotate(bridge.task(0), "a")
        bridge.sync()
        fake.skip(bridge.task(0), BOB)
        bridge.sync()
        assert bridge.labels() == {0: {"ada": "a"}}
        assert bridge.states()[0] == "labeled"

    def test_a_real_answer_that_becomes_a_skip_is_withdrawn(
        self, bridge: Bridge, fake: Fake
    ) -> None:
        bridge.sync()
        annotation = fake.annotate(bridge.task(0), "a")
        bridge.sync()
        fake.revise(annotation, None, was_cancelled=True)
        bridge.sync()
        assert bridge.labels() == {}
        assert bridge.states()[0] == "skipped"

    def test_it_takes_the_budget_of_the_item_that_took_its_place(
        self, make_bridge: MakeBridge, fake: Fake
    ) -> None:
        bridge = make_bridge(total_budget=2)
        bridge.sync()
        fake.skip(bridge.task(0))
        bridge.sync()
        assert bridge.shown() == [0, 1, 2]
        fake.annotate(bridge.task(0), "b", BOB)
        bridge.sync()
        assert bridge.labels() == {0: {"bob": "b"}}
        assert bridge.shown() == [0, 1]
        fake.annotate(bridge.task(1), "a")
        bridge.sync()
        assert bridge.ask("SELECT state FROM projects") == [("training_target",)]

    def test_an_item_that_gave_its_place_up_comes_back_when_one_is_free(
        self, make_bridge: MakeBridge, fake: Fake
    ) -> None:
        bridge = make_bridge(initial_budget=3, total_budget=3)
        bridge.sync()
        for skipped in (0, 1):  # the second time, its task has the id that the first one had
            fake.skip(bridge.task(skipped))
            bridge.sync()
            assert bridge.shown() == [0, 1, 2, 3]
            fake.annotate(bridge.task(skipped), "b", BOB)
            bridge.sync()
            assert bridge.shown() == [0, 1, 2]
        fake.skip(bridge.task(2))
        bridge.sync()
        assert bridge.shown() == [0, 1, 2, 3]
        fake.annotate(bridge.task(3), "a")
        bridge.sync()
        assert bridge.ask("SELECT state FROM projects") == [("training_target",)]

    def test_it_waits_while_others_hold_what_the_budget_leaves(
        self, make_bridge: MakeBridge, fake: Fake
    ) -> None:
        bridge = make_bridge(total_budget=2)
        bridge.run("INSERT INTO annotators (name) VALUES ('eve')")
        bridge.sync()
        fake.skip(bridge.task(0))
        bridge.sync()
        bridge.run(
            "UPDATE batch_item_slots SET leased_by = (SELECT id FROM annotators WHERE name = 'eve')"
            " WHERE leased_by IS NOT NULL"
        )
        fake.annotate(bridge.task(0), "b", BOB)
        bridge.sync()
        assert bridge.codes()[-1] == ("budget_spent", True)
        assert bridge.states()[0] == "skipped"
        bridge.run("UPDATE projects SET total_budget = 3 WHERE id = :project")
        bridge.sync()
        assert bridge.labels() == {0: {"bob": "b"}}


class TestSeveralAnnotators:
    def test_surplus_answers_are_kept_as_further_opinions(self, bridge: Bridge, fake: Fake) -> None:
        bridge.sync()
        fake.annotate(bridge.task(0), "a")
        surplus = fake.annotate(bridge.task(0), "b", BOB)
        bridge.sync()
        assert bridge.labels() == {0: {"ada": "a", "bob": "b"}}
        assert bridge.resolved() == {0: "a"}  # the first stands
        fake.delete(surplus)
        bridge.sync()
        assert bridge.labels() == {0: {"ada": "a"}}
        assert bridge.resolved() == {0: "a"}

    def test_those_that_came_with_the_last_label_of_a_project_are_kept_too(
        self, make_bridge: MakeBridge, fake: Fake
    ) -> None:
        bridge = make_bridge(total_budget=2)
        bridge.sync()
        for index in (0, 1):
            fake.annotate(bridge.task(index), "a")
            fake.annotate(bridge.task(index), "b", BOB)
        bridge.sync()
        both = {"ada": "a", "bob": "b"}
        assert bridge.labels() == {0: both, 1: both}
        assert bridge.ask("SELECT state FROM projects") == [("training_target",)]

    def test_a_majority_of_them_decides(self, bridge: Bridge, fake: Fake) -> None:
        bridge.sync()
        fake.annotate(bridge.task(0), "a")
        for user in (BOB, 1):
            fake.annotate(bridge.task(0), "b", user)
        bridge.sync()
        assert bridge.resolved() == {0: "b"}

    def test_an_item_that_wants_two_gets_them_from_two_people(
        self, make_bridge: MakeBridge, fake: Fake
    ) -> None:
        bridge = make_bridge(labels_per_item=2)
        bridge.sync()
        assert fake.projects[1]["maximum_annotations"] == 2
        fake.annotate(bridge.task(0), "a")
        bridge.sync()
        assert bridge.states()[0] == "open"
        assert bridge.sync().n_deleted == 0
        fake.annotate(bridge.task(0), "a", BOB)
        bridge.sync()
        assert bridge.labels() == {0: {"ada": "a", "bob": "a"}}
        assert bridge.states()[0] == "labeled"

    def test_a_paused_person_s_answers_wait(self, bridge: Bridge, fake: Fake) -> None:
        bridge.sync()
        fake.annotate(bridge.task(0), "a")
        bridge.sync()
        bridge.run(
            "INSERT INTO paused_annotators (project_id, annotator_id, reason) "
            "SELECT :project, id, 'x' FROM annotators WHERE name = 'ada@example.com'"
        )
        fake.annotate(bridge.task(1), "a")
        bridge.sync()
        assert bridge.codes()[-1] == ("annotator_paused", True)
        bridge.run("UPDATE paused_annotators SET resumed_at = now()")
        bridge.sync()
        assert bridge.labels()[1] == {"ada": "a"}


class TestProjectStates:
    def test_a_paused_project_takes_answers_and_gets_no_tasks(
        self, bridge: Bridge, fake: Fake
    ) -> None:
        bridge.sync()
        with transaction(bridge.factory) as session:
            pause_project(session, bridge.project)
        fake.skip(bridge.task(0))
        fake.annotate(bridge.task(1), "a")
        bridge.sync()
        assert bridge.labels() == {1: {"ada": "a"}}
        assert bridge.shown() == [0, 1]
        with transaction(bridge.factory) as session:
            resume_project(session, bridge.project)
        bridge.sync()
        assert bridge.shown() == [0, 1, 2]

    def test_answers_to_an_ended_project_wait_and_its_open_tasks_go(
        self, bridge: Bridge, fake: Fake
    ) -> None:
        bridge.sync()
        annotation = fake.annotate(bridge.task(0), "a")
        bridge.sync()
        with transaction(bridge.factory) as session:
            cancel_project(session, bridge.project)
        fake.revise(annotation, "b")
        bridge.sync()
        assert bridge.codes() == [("project_not_accepting", True)]
        assert bridge.labels() == {0: {"ada": "a"}}
        assert bridge.shown() == [0]
