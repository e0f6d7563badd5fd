"""Rounds of a project whose strategy is auto: what selects, the event, and the replay of it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings
from app.db.queries import events
from app.db.session import transaction
from app.db.tables import Split
from app.domain.errors import InvalidProject
from app.services.import_counts import ImportCounts
from app.services.items import import_items
from app.services.prepared_items import ItemIn
from app.storage.artifacts import ArtifactStore
from tests.workers.jobs.selection.projects import WORDS, bring, selected, selected_index, start
from workers.jobs.replay import replay_selection


def add_evaluation(
    factory: sessionmaker[Session],
    store: ArtifactStore,
    settings: Settings,
    project_id: int,
    n_wrong: int,
) -> None:
    """Import 60 evaluation texts; the words of the first ones are of the other class."""
    rng = np.random.default_rng(0)
    lines = []
    for i in range(60):
        name, other = "ab"[i % 2], "ba"[i % 2]
        words = rng.choice(WORDS[other if i < n_wrong else name], 3)
        lines.append((i, ItemIn(f"e{i}", Split.EVALUATION, name, " ".join(words))))
    with transaction(factory) as session:
        import_items(session, store, settings, project_id, lines, ImportCounts())


def choices(factory: sessionmaker[Session], project_id: int) -> list[dict[str, Any]]:
    with transaction(factory) as session:
        page = events.list_page(session, project_id, 0, 100)
        return [event.facts for event in page if event.name == "round.strategy_chosen"]


class TestAuto:
    @pytest.mark.parametrize(
        ("n_wrong", "phase", "strategy"),
        [(0, "uncertain", "margin"), (25, "spread", "stratified")],
    )
    def test_the_proxys_accuracy_decides_and_an_event_says_so(
        self,
        session_factory: sessionmaker[Session],
        settings: Settings,
        store: ArtifactStore,
        make_project: Any,
        do_job: Any,
        n_wrong: int,
        phase: str,
        strategy: str,
    ) -> None:
        project_id = make_project(strategy="auto")
        add_evaluation(session_factory, store, settings, project_id, n_wrong)
        start(session_factory, project_id)
        do_job(project_id)
        round_, items = selected(session_factory, project_id)
        assert round_.strategy == strategy
        assert len(items) == 10
        (facts,) = choices(session_factory, project_id)
        assert (facts["round"], facts["phase"], facts["strategy"]) == (0, phase, strategy)
        assert facts["switch_at"] == 0.625
        accuracy = facts["accuracy"]
        assert (accuracy["n"], accuracy["measured_on"]) == (60, "evaluation")
        assert (accuracy["low"] >= 0.625) == (phase == "uncertain")
        assert round_.selection["choice"]["phase"] == phase
        found = replay_selection(session_factory, store, settings, project_id, 0)
        assert (found.strategy, found.first_difference) == (strategy, None)

    def test_without_an_evaluation_split_and_control_arm_it_stays_spread(
        self, session_factory: sessionmaker[Session], make_project: Any, do_job: Any
    ) -> None:
        project_id = make_project(strategy="auto")
        start(session_factory, project_id)
        do_job(project_id)
        (facts,) = choices(session_factory, project_id)
        assert (facts["phase"], facts["accuracy"]) == ("spread", None)

    @pytest.mark.parametrize("brings", [True, False])
    def test_it_starts_with_typical_items_where_features_were_brought(
        self,
        session_factory: sessionmaker[Session],
        store: ArtifactStore,
        make_project: Any,
        do_job: Any,
        tmp_path: Path,
        brings: bool,
    ) -> None:
        project_id = make_project(0, strategy="auto")
        if brings:
            bring(session_factory, store, project_id, tmp_path / "f.npy")
        start(session_factory, project_id)
        do_job(project_id)
        round_, _ = selected(session_factory, project_id)
        assert round_.strategy == ("typiclust" if brings else "uniform")
        assert round_.model_id is None
        (facts,) = choices(session_factory, project_id)
        assert facts["phase"] == "start"

    def test_a_cold_start_that_was_asked_for_is_kept(
        self,
        session_factory: sessionmaker[Session],
        store: ArtifactStore,
        make_project: Any,
        do_job: Any,
        tmp_path: Path,
    ) -> None:
        project_id = make_project(0, strategy="auto", selection={"cold_start": "k_centers"})
        bring(session_factory, store, project_id, tmp_path / "f.npy")
        start(session_factory, project_id)
        do_job(project_id)
        assert selected(session_factory, project_id)[0].strategy == "k_centers"
        assert choices(session_factory, project_id) == []


class TestTemperature:
    def test_it_is_fitted_on_the_evaluation_split_and_kept_for_the_replay(
        self,
        session_factory: sessionmaker[Session],
        settings: Settings,
        store: ArtifactStore,
        make_project: Any,
        do_job: Any,
    ) -> None:
        confidences = []
        for scales in (False, True):
            project_id = make_project(
                name=f"p{scales}", strategy="entropy", selection={"scales_temperature": scales}
            )
            add_evaluation(session_factory, store, settings, project_id, n_wrong=25)
            start(session_factory, project_id)
            do_job(project_id)
            round_, items = selected(session_factory, project_id)
            assert (round_.selection["temperature"] is not None) == scales
            confidences.append(np.mean([item.suggestion_confidence for item in items]))
            found = replay_selection(session_factory, store, settings, project_id, 0)
            assert (found.first_difference, found.score_difference) == (None, 0.0)
        assert round_.selection["temperature"] > 1, "25 of 60 are wrong: it is too sure"
        assert confidences[1] < confidences[0]


class TestPower:
    def test_a_batch_is_drawn_by_the_scores(
        self,
        session_factory: sessionmaker[Session],
        settings: Settings,
        store: ArtifactStore,
        make_project: Any,
        do_job: Any,
    ) -> None:
        batches = []
        for power in (None, 1.0):
            project_id = make_project(name=f"p{power}", selection={"power": power})
            start(session_factory, project_id)
            do_job(project_id)
            batches.append(selected_index(session_factory, project_id))
            found = replay_selection(session_factory, store, settings, project_id, 0)
            assert found.first_difference is None
        assert batches[0] != batches[1]

    def test_a_strategy_that_scores_no_items_refuses_it(self, make_project: Any) -> None:
        with pytest.raises(InvalidProject, match="selection: power needs a strategy"):
            make_project(strategy="k_centers", selection={"power": 1.0})
