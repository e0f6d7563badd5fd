"""The query parameters that choose items."""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import orjson
from fastapi import Depends, Query
from sqlalchemy.orm import Session
from starlette.exceptions import HTTPException

from app.api.deps import ProjectDep, SessionDep, StoreDep
from app.api.recent import RecentDep
from app.db.queries import models
from app.db.queries.item_filters import ItemFilter, LabelingState, disputed_ids
from app.db.tables import Split
from app.domain.errors import NotFound
from app.domain.names import class_index
from app.domain.quotes import listed, shown
from app.services.confusions import confused_items
from app.services.maps import items_inside

MOST_CORNERS = 200


@dataclass(frozen=True)
class Confusion:
    """A cell of a model's confusion matrix, or a part of the map."""

    model: int | None
    predicted: str | None
    inside: npt.NDArray[np.float64] | None


def get_confusion(
    confused_by: Annotated[
        int | None,
        Query(
            ge=0, le=2**53, description="The model that took an item of `class` for `predicted`."
        ),
    ] = None,
    predicted: Annotated[str | None, Query(max_length=512)] = None,
    inside: Annotated[
        str | None,
        Query(
            max_length=4000,
            description="The corners of a part of the map: x,y and a blank, three or more.",
        ),
    ] = None,
) -> Confusion:
    """Return the cell, or the part of the map, that is asked for.

    Raises:
        HTTPException: 422, a class without a model, or corners that are none.
    """
    if predicted is not None and confused_by is None:
        raise HTTPException(
            422, "query.predicted: say which model predicted it, by confused_by=its id."
        )
    return Confusion(confused_by, predicted, None if inside is None else _corners(inside))


def _corners(text: str) -> npt.NDArray[np.float64]:
    try:
        corners = np.asarray([[float(v) for v in pair.split(",")] for pair in text.split()])
    except ValueError:
        corners = np.empty(0)
    is_shape = corners.ndim == 2 and corners.shape[1:] == (2,)
    if not is_shape or not 3 <= len(corners) <= MOST_CORNERS or not np.isfinite(corners).all():
        raise HTTPException(
            422, f"query.inside: give 3 to {MOST_CORNERS} corners, such as `0,0 0.5,0 0,0.5`."
        )
    return corners


@dataclass(frozen=True)
class OfPeople:
    """What annotators and admins did to items."""

    annotator: str | None
    disputed: bool | None
    flagged: bool | None
    gold: bool | None
    suspected_by: int | None


def get_of_people(
    annotator: Annotated[
        str | None, Query(max_length=512, description="That this annotator has labeled.")
    ] = None,
    *,
    disputed: Annotated[
        bool | None, Query(description="Annotators gave different classes, or did not.")
    ] = None,
    flagged: Annotated[bool | None, Query(description="With an open flag, or without.")] = None,
    gold: Annotated[bool | None, Query(description="Of the gold set, or not.")] = None,
    suspected_by: Annotated[
        int | None,
        Query(ge=0, le=2**53, description="The search that takes its label for likely wrong."),
    ] = None,
) -> OfPeople:
    """Return what is asked of people's work."""
    return OfPeople(annotator, disputed, flagged, gold, suspected_by)


@dataclass(frozen=True)
class WantedItems:
    """The split and the filter; `split` None: the pool."""

    split: Split | None
    filter: ItemFilter


def get_wanted_items(  # noqa: PLR0913, PLR0917 - the parts of a query
    session: SessionDep,
    project: ProjectDep,
    store: StoreDep,
    recent: RecentDep,
    confusion: Annotated[Confusion, Depends(get_confusion)],
    of_people: Annotated[OfPeople, Depends(get_of_people)],
    split: Annotated[Split | None, Query(description="pool by default.")] = None,
    class_: Annotated[
        str | None, Query(alias="class", description="Labeled, or imported, as this class.")
    ] = None,
    round_: Annotated[
        int | None, Query(alias="round", ge=0, le=2**40, description="Selected by this round.")
    ] = None,
    state: Annotated[LabelingState | None, Query(description="How far the item is.")] = None,
    min_score: Annotated[
        float | None, Query(allow_inf_nan=False, description="Of the selection; higher = sooner.")
    ] = None,
    max_score: Annotated[float | None, Query(allow_inf_nan=False)] = None,
    metadata: Annotated[
        str | None,
        Query(
            max_length=2000, description='Only items whose metadata hold this, e.g. {"site": 3}.'
        ),
    ] = None,
    search: Annotated[
        str | None,
        Query(
            min_length=1,
            max_length=512,
            description="Whose text or external_id holds this; capitals do not count.",
        ),
    ] = None,
) -> WantedItems:
    """Return which items are wanted.

    Raises:
        HTTPException: 422, a class or the metadata are not what they should be.
        NotFound: there is no such model.
    """
    label = _class(project.classes, "class", class_)
    index = None
    if confusion.model is not None:
        model = models.get(session, project.id, confusion.model)
        if model is None:
            raise NotFound("model", confusion.model)
        predicted = _class(project.classes, "predicted", confusion.predicted)
        index, split = confused_items(store, model, label, predicted), Split.EVALUATION
    elif confusion.inside is not None:
        index = items_inside(session, store, project, confusion.inside)
    disputed = None
    if of_people.disputed:
        disputed = recent.read("disputed", project, partial(_disputed, project.id), session)
    wanted = ItemFilter(
        class_index=label,
        round_number=round_,
        annotator=of_people.annotator,
        state=state,
        is_disputed=None if of_people.disputed else of_people.disputed,
        item_ids=disputed,
        is_flagged=of_people.flagged,
        is_gold=of_people.gold,
        min_score=min_score,
        max_score=max_score,
        suspected_by=of_people.suspected_by,
        index=index,
        metadata=_metadata_of(metadata),
        search=search,
    )
    return WantedItems(split, wanted)


WantedItemsDep = Annotated[WantedItems, Depends(get_wanted_items)]


def _disputed(project_id: int, session: Session) -> list[int]:
    return disputed_ids(session, project_id)


def _class(classes: list[str], parameter: str, name: str | None) -> int | None:
    if name is None:
        return None
    index = class_index(classes, name)
    if index is None:
        raise HTTPException(
            422,
            f"query.{parameter}: there is no class {shown(name)}; use one of {listed(classes)}.",
        )
    return index


def _metadata_of(parameter: str | None) -> dict[str, Any] | None:
    """Return what items' metadata shall hold.

    Raises:
        HTTPException: 422, it is no JSON object.
    """
    try:
        wanted = None if parameter is None else orjson.loads(parameter)
    except orjson.JSONDecodeError:
        wanted = parameter
    if wanted is not None and not isinstance(wanted, dict):
        raise HTTPException(422, 'query.metadata: give a JSON object such as {"site": 3}.')
    return wanted
