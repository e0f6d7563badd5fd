"""Models whose labels were revised are stale."""

from typing import Any

import pytest
from sqlalchemy import text

from app.config import Settings
from app.db.session import transaction
from app.services import job_results
from app.services.job_results import Selection, TrainedFacts
from models.seconds import PartSeconds
from svp_client import Client
from tests.app.conftest import Start
from tests.loop import Factory, claim_waiting, give, in_order, poll

pytestmark = pytest.mark.usefixtures("promises")

FACTS = TrainedFacts("fasttext", {}, "r", "w", 2, {}, PartSeconds(), {})


class TestStaleModels:
    def train(self, factory: Factory, settings: Settings, project: int, between: Any) -> None:
        """Do the waiting job by hand, with `between` while it trains."""
        claimed = claim_waiting(factory, settings, project)
        assert claimed is not None
        with transaction(factory) as session:
            session.execute(
                text(
                    "UPDATE jobs SET snapshot_hash = '0', snapshot_version = "
                    "(SELECT label_version FROM projects WHERE id = project_id) WHERE id = :id"
                ).bindparams(id=claimed.id)
            )
            job_results.begin_selecting(session, claimed)
        between()
        selection = Selection(in_order(10).ranked, 2, PartSeconds(), "0", FACTS)
        with transaction(factory) as session:
            job_results.publish_selection(session, claimed, selection, settings)

    @pytest.fixture
    def trained(
        self, admin: Client, start: Start, session_factory: Factory, settings: Settings
    ) -> tuple[int, list[int]]:
        """A project whose first model was trained on two labels."""
        project = start(strategy="entropy")
        items = poll(admin, project, 2)
        give(admin, project, items[:1], "a")
        give(admin, project, items[1:], "b")
        self.train(session_factory, settings, project, lambda: None)
        return project, items

    def stale(self, client: Client, project: int) -> list[bool]:
        return [model["stale"] for model in client.models(project)]

    def test_a_revision_marks_the_models_that_learned_the_old_answer(
        self, admin: Client, trained: tuple[int, list[int]]
    ) -> None:
        project, items = trained
        assert self.stale(admin, project) == [False]
        assert give(admin, project, items[:1], "b") == ["revised"]
        assert self.stale(admin, project) == [True]

    def test_undo_marks_them_too(self, admin: Client, trained: tuple[int, list[int]]) -> None:
        project, items = trained
        admin.withdraw_labels(project, items[:1])
        assert self.stale(admin, project) == [True]

    def test_a_revision_while_the_model_trains_marks_it_when_it_is_published(
        self,
        admin: Client,
        trained: tuple[int, list[int]],
        session_factory: Factory,
        settings: Settings,
    ) -> None:
        project, _ = trained
        more = poll(admin, project, 2)
        give(admin, project, more, "b")
        revise = lambda: give(admin, project, more[:1], "a")  # noqa: E731
        self.train(session_factory, settings, project, revise)
        assert self.stale(admin, project) == [False, True]

    def test_a_new_label_marks_nothing(self, admin: Client, trained: tuple[int, list[int]]) -> None:
        project, _ = trained
        give(admin, project, poll(admin, project, 1), "b")
        assert self.stale(admin, project) == [False]
