"""Selection options in a round's job."""

from typing import Any

from sqlalchemy.orm import Session, sessionmaker

from tests.workers.jobs.selection.projects import selected, start


class TestOptions:
    def test_control_arm_is_marked_in_batch_and_reserve(
        self, session_factory: sessionmaker[Session], make_project: Any, do_job: Any
    ) -> None:
        project_id = make_project(selection={"control_fraction": 0.5})
        start(session_factory, project_id)
        do_job(project_id)
        round_, items = selected(session_factory, project_id)
        assert [item.is_control for item in items] == [True, False] * 5
        assert round_.selection["n_control"] == 5
        assert all(item.suggestion_class is not None for item in items)

    def test_class_balance_takes_as_many_of_each_predicted_class(
        self, session_factory: sessionmaker[Session], make_project: Any, do_job: Any
    ) -> None:
        project_id = make_project(selection={"class_balance": True})
        start(session_factory, project_id)
        do_job(project_id)
        _, items = selected(session_factory, project_id)
        classes = [item.suggestion_class for item in items]
        assert classes == [0, 1] * 5

    def test_candidates_are_reported_with_their_recall(
        self, session_factory: sessionmaker[Session], make_project: Any, do_job: Any
    ) -> None:
        options = {"candidates": {"kind": "uniform", "n": 20}, "measure_recall": True}
        project_id = make_project(selection=options)
        start(session_factory, project_id)
        do_job(project_id)
        round_, items = selected(session_factory, project_id)
        report = round_.selection["candidates"]
        assert report["n"] == 20
        assert report["fraction"] == 0.5  # of the 40 without a label
        assert 0 <= report["selection_recall"] <= 1
        assert len(items) == 10
