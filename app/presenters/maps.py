"""A map as the API and pages show it."""

from app.db.queries.item_filters import LabelingState
from app.db.queries.item_places import ItemPlace
from app.domain.states import BatchItemState
from app.presenters.jobs import present_with_job
from app.schemas.maps import MapOut, MapPointsOut, MapResult
from app.services.maps import DrawnMap, MapPoints

DIGITS = 4  # of a place: more than a screen has


def present_map(found: DrawnMap) -> MapOut:
    """Return the map without its points."""
    result = found.drawn and MapResult.model_validate(found.drawn.result)
    return present_with_job(MapOut, found.analysis, found.job, result=result, points=None)


def present_points(found: MapPoints) -> MapPointsOut:
    """Return the points in columns."""
    places = found.places
    return MapPointsOut(
        item_id=[place.item_id for place in places],
        x=[round(float(x), DIGITS) for x in found.xy[:, 0]],
        y=[round(float(y), DIGITS) for y in found.xy[:, 1]],
        class_index=[place.class_index for place in places],
        state=[_state(place) for place in places],
        round=[place.round_number for place in places],
        score=[None if p.score is None else float(f"{p.score:.6g}") for p in places],
    )


def _state(place: ItemPlace) -> LabelingState:
    if place.class_index is not None:
        return LabelingState.LABELED
    if place.batch_state in (BatchItemState.OPEN, BatchItemState.SKIPPED):
        return LabelingState(place.batch_state)
    return LabelingState.UNLABELED
