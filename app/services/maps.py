"""Maps: two-dimensional projections of the newest proxy's features, asked for and read."""

import io
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sqlalchemy.orm import Session

from app.config import Settings
from app.db.queries import analyses, item_places, models, projects
from app.db.queries.item_places import ItemPlace
from app.db.tables import Analysis, AnalysisKind, Job, Project
from app.domain.errors import AnalysisInvalid, AnalysisNotReady
from app.services.analyses import create_analysis
from app.storage.artifacts import ArtifactStore

MOST_ITEMS = 50_000
FEWEST_ITEMS = 3


@dataclass(frozen=True)
class DrawnMap:
    """The newest map that was asked for, and the newest one that is drawn.

    Attributes:
        analysis, job: of the newest one.
        drawn: the newest answered one; None: there is none yet.
    """

    analysis: Analysis
    job: Job
    drawn: Analysis | None


@dataclass(frozen=True)
class MapPoints:
    """The points of a drawn map.

    Attributes:
        xy: [n, 2] of its items.
        places: the same items with what is known of them now.
    """

    xy: npt.NDArray[np.float32]
    places: list[ItemPlace]


def has_features(session: Session, project: Project) -> bool:
    """Return whether items can be laid out: a proxy was trained, or features were brought."""
    return project.features_hash is not None or models.newest_proxy(session, project.id) is not None


def create_map(session: Session, project_id: int, settings: Settings) -> tuple[Analysis, Job]:
    """Ask for a map by the newest proxy, or of brought features where none was trained.

    Raises:
        NotFound: there is no such project.
        AnalysisInvalid: there are no features yet, or too few items.
    """
    project = projects.lock(session, project_id)
    proxy = models.newest_proxy(session, project_id)
    if not has_features(session, project):
        raise AnalysisInvalid(
            "A map needs features: label until a round has trained a proxy, or bring features."
        )
    if project.n_pool < FEWEST_ITEMS:
        raise AnalysisInvalid(
            f"The pool has {project.n_pool} items; a map needs {FEWEST_ITEMS}. Import more."
        )
    options = {"model_id": proxy.id if proxy else None, "most_items": MOST_ITEMS}
    return create_analysis(session, project, AnalysisKind.MAP, options, settings)


def read_map(session: Session, project: Project) -> DrawnMap:
    """Return the project's map, without its points.

    Raises:
        AnalysisNotReady: none was asked for.
    """
    rows = analyses.list_all(session, project.id, AnalysisKind.MAP)
    if not rows:
        raise AnalysisNotReady(
            f"No map of project {project.id} was drawn yet; POST to the same path asks for one."
        )
    drawn = next((a for a, _ in reversed(rows) if a.result_hash is not None), None)
    return DrawnMap(*rows[-1], drawn)


def read_points(session: Session, store: ArtifactStore, project_id: int, digest: str) -> MapPoints:
    """Return the points of a drawn map: the artifact of this hash.

    Raises:
        ArtifactMissing: it is not in the store.
    """
    xy, index = _points(store, digest)
    places = item_places.of_pool(session, project_id, index.tolist())
    if len(places) < len(xy):  # items were deleted since
        kept = np.isin(index, [place.index for place in places])
        xy = xy[kept]
    return MapPoints(xy, places)


def items_inside(
    session: Session, store: ArtifactStore, project: Project, polygon: npt.NDArray[np.float64]
) -> list[int]:
    """Return the pool indices of the items whose points lie inside a polygon, [corners, 2].

    Raises:
        AnalysisNotReady: no map is drawn yet.
        ArtifactMissing: its points are not in the store.
    """
    drawn = analyses.newest_answered(session, project.id, AnalysisKind.MAP)
    if drawn is None or drawn.result_hash is None:
        raise AnalysisNotReady(
            f"Project {project.id} has no map yet; POST to .../map asks for one."
        )
    xy, index = _points(store, drawn.result_hash)
    return [int(i) for i in index[is_inside(xy, polygon)]]


def is_inside(
    xy: npt.NDArray[np.floating], polygon: npt.NDArray[np.float64]
) -> npt.NDArray[np.bool_]:
    """Return which points, [n, 2], lie inside a polygon: a ray to the right crosses it oddly."""
    x, y = xy[:, 0], xy[:, 1]
    inside = np.zeros(len(xy), bool)
    for (ax, ay), (bx, by) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        if ay == by:
            continue
        crosses = (y < ay) != (y < by)
        inside ^= crosses & (x < ax + (y - ay) * (bx - ax) / (by - ay))
    return inside


def _points(
    store: ArtifactStore, digest: str
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Return the points of a map, [n, 2], and the pool indices of their items."""
    with np.load(io.BytesIO(store.get(digest)), allow_pickle=False) as arrays:
        return arrays["xy"], arrays["index"]
