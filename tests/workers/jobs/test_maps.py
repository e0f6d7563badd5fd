"""Maps on the real service: by a proxy, of brought features, and what is shown of items."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings
from app.db.queries import projects
from app.db.session import transaction
from app.domain.errors import AnalysisInvalid, AnalysisNotReady
from app.domain.states import JobState
from app.presenters.maps import present_map, present_points
from app.schemas.maps import MapOut
from app.services.features import BroughtFeatures, bring_features
from app.services.maps import create_map, is_inside, items_inside, read_map, read_points
from tests.projects import TINY, ServedProject

Factory = sessionmaker[Session]


def shown(served: ServedProject) -> MapOut:
    with transaction(served.factory) as session:
        found = read_map(session, projects.get(session, served.id))
        answer = present_map(found)
        if found.drawn is not None and found.drawn.result_hash is not None:
            digest = found.drawn.result_hash
            points = read_points(session, served.store, served.id, digest)
            answer.points = present_points(points)
        return answer


def draw(served: ServedProject) -> MapOut:
    with transaction(served.factory) as session:
        create_map(session, served.id, served.settings)
    served.do_job()
    return shown(served)


@pytest.fixture(params=["text", "image"])
def served(
    request: pytest.FixtureRequest, session_factory: Factory, settings: Settings
) -> ServedProject:
    """A project in round 1: 30 items, 6 of them labeled."""
    project = ServedProject(session_factory, settings, TINY[request.param], reserve=0)
    project.add(range(30))
    project.start()
    project.do_job()
    project.label(6)
    return project


def test_a_map_shows_every_item_with_its_label_state_and_score(served: ServedProject) -> None:
    with transaction(served.factory) as session, pytest.raises(AnalysisInvalid, match="trained"):
        create_map(session, served.id, served.settings)
    served.do_job()
    drawn = draw(served)
    assert (drawn.state, drawn.result and drawn.result.n) == (JobState.SUCCEEDED, 30)
    points = drawn.points
    assert points is not None
    assert len(points.item_id) == len(points.x) == len(points.score) == 30
    assert max(map(abs, points.x + points.y)) == pytest.approx(1)
    assert points.state.count("labeled") == 6
    assert points.state.count("open") == 6
    assert [c is not None for c in points.class_index] == [s == "labeled" for s in points.state]
    assert set(points.round) == {None, 0, 1}


def test_a_map_that_is_being_drawn_shows_the_last_one(
    session_factory: Factory, settings: Settings
) -> None:
    served = ServedProject(session_factory, settings, TINY["text"])
    served.add(range(20))
    with pytest.raises(AnalysisNotReady, match="POST"):
        shown(served)
    file = io.BytesIO()
    np.save(file, np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32))
    with transaction(session_factory) as session:
        brought = BroughtFeatures(served.store.put(file.getvalue()), 20, 4)
        bring_features(session, served.id, brought)
    first = draw(served)
    assert first.result is not None
    assert first.result.model_id is None
    with transaction(session_factory) as session:
        create_map(session, served.id, settings)
    second = shown(served)
    assert (second.state, second.points) == (JobState.QUEUED, first.points)


def test_items_inside_a_part_of_the_map_are_found(
    session_factory: Factory, settings: Settings
) -> None:
    served = ServedProject(session_factory, settings, TINY["text"])
    served.add(range(20))
    places = np.random.default_rng(1).uniform(-1, 1, (20, 2)).astype(np.float32)
    file = io.BytesIO()
    np.save(file, places)
    with transaction(session_factory) as session:
        bring_features(
            session, served.id, BroughtFeatures(served.store.put(file.getvalue()), 20, 2)
        )
    points = draw(served).points
    assert points is not None
    half = np.array([[0, -2], [2, -2], [2, 2], [0, 2]], float)
    with transaction(session_factory) as session:
        project = projects.get(session, served.id)
        found = items_inside(session, served.store, project, half)
    assert found == [i for i, x in enumerate(points.x) if x > 0]


@given(st.lists(st.tuples(st.floats(-1, 1), st.floats(-1, 1)), min_size=1, max_size=20))
def test_a_triangle_holds_what_lies_on_the_same_side_of_its_edges(
    points: list[tuple[float, float]],
) -> None:
    corners = np.array([[-0.9, -0.8], [0.95, -0.3], [0.1, 0.85]])
    xy = np.array(points)
    edges = np.roll(corners, -1, axis=0) - corners
    to_points = xy[None] - corners[:, None]
    sides = edges[:, :1] * to_points[:, :, 1] - edges[:, 1:] * to_points[:, :, 0]
    is_clear = np.all(np.abs(sides) > 1e-9, axis=0)  # on an edge either answer is right
    expected = np.all(sides > 0, axis=0)
    np.testing.assert_array_equal(is_inside(xy, corners)[is_clear], expected[is_clear])
