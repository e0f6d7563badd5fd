"""Pages of items: a filtered list, one item with its history, and what a lead does with them."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Query, Response
from sqlalchemy.orm import Session

from app.api.deps import ImageUrlsDep, ProjectDep, ProjectIdDep, SessionDep, SettingsDep
from app.api.item_filters import WantedItemsDep
from app.config import Settings
from app.db.queries import analyses, rounds
from app.db.queries import items as item_queries
from app.db.queries import labels as label_queries
from app.db.queries.item_filters import LabelingState
from app.db.tables import AnalysisKind, Project, Split
from app.domain.states import JobState
from app.pages.page import LeadPage, Page, PageRoute, ReadPage
from app.presenters.item_history import present_item_history
from app.presenters.items import present_listed
from app.services.answers import Outcome
from app.services.decisions import decide_labels
from app.services.gold import remove_gold, set_gold
from app.services.item_history import read_item_history
from app.services.item_search import search_items
from app.services.requeue import requeue_items
from app.services.second_opinions import ask_second_opinions

router = APIRouter(prefix="/projects/{project}", include_in_schema=False, route_class=PageRoute)
SHOWN = 48
ItemIds = Annotated[list[int], Form(max_length=1000)]


class View(StrEnum):
    """Two ways to show items."""

    GRID = "grid"
    LIST = "list"


@router.get("/items")
def list_items(  # noqa: PLR0913, PLR0917 - the parts of a request
    page: ReadPage,
    session: SessionDep,
    project: ProjectDep,
    urls: ImageUrlsDep,
    wanted: WantedItemsDep,
    view: View = View.GRID,
    cursor: Annotated[int, Query(ge=-1)] = -1,
) -> Response:
    """Show the items that the filter leaves."""
    split = wanted.split or Split.POOL
    found = search_items(session, project, split, (cursor, SHOWN), wanted.filter)
    given = {k: v for k, v in page.request.query_params.items() if v and k != "cursor"}
    more = None
    if found.next_index is not None:
        more = urlencode({**given, "cursor": found.next_index})
    return page.render(
        "items.html",
        project=project,
        items=[present_listed(row, project, urls) for row in found.items],
        n_left=found.n_left,
        given=given,
        more=more,
        is_first=cursor < 0,
        view=view,
        here_again=_query(page),
        **_choices(session, project),
    )


def _query(page: Page) -> str:
    """Return the address of the page as it is, below the project."""
    query = page.request.url.query
    return f"/items?{query}" if query else "/items"


def _choices(session: Session, project: Project) -> dict[str, Any]:
    searches = analyses.list_all(session, project.id, AnalysisKind.LABEL_ERRORS)
    return {
        "states": list(LabelingState),
        "n_rounds": [round_.number for round_ in rounds.list_all(session, project.id)],
        "annotators": label_queries.annotators_of(session, project.id),
        "searches": [a.id for a, job in reversed(searches) if job.state == JobState.SUCCEEDED],
    }


@router.get("/items/{item}")
def read_item(
    page: ReadPage, session: SessionDep, project: ProjectDep, urls: ImageUrlsDep, item: int
) -> Response:
    """Show one item and all that happened to it."""
    found = present_item_history(read_item_history(session, project, item), project, urls)
    return page.render("item.html", project=project, found=found, item=found.item)


class ItemAction(StrEnum):
    """What a lead does with items."""

    DECIDE = "decide"
    REQUEUE = "requeue"
    SECOND_OPINION = "second_opinion"
    MAKE_GOLD = "make_gold"
    REMOVE_GOLD = "remove_gold"


@router.post("/items")
def act(  # noqa: PLR0913, PLR0917 - the fields of a form
    page: LeadPage,
    session: SessionDep,
    project: ProjectIdDep,
    settings: SettingsDep,
    action: Annotated[ItemAction, Form()],
    item: ItemIds,
    class_: Annotated[str, Form(alias="class", max_length=200)] = "",
    back: Annotated[str, Form(max_length=2000)] = "/items",
) -> Response:
    """Decide, requeue or ask again about items, or make them gold."""
    lead_id = page.known_caller.annotator_id
    if action is ItemAction.DECIDE:
        classes = dict.fromkeys(item, class_)
        said = _said(decide_labels(session, project, lead_id, classes, settings), "decided")
    elif action is ItemAction.REQUEUE:
        said = _said(requeue_items(session, project, item, settings), "handed out again")
    elif action is ItemAction.SECOND_OPINION:
        said = _said(ask_second_opinions(session, project, item, settings), "handed to one more")
    else:
        said = _gold(session, project, action, item, settings)
    target = back if back.startswith("/items") and "\\" not in back else "/items"
    return page.redirect(f"/projects/{project}{target}", flash=said)


def _gold(
    session: Session, project: int, action: ItemAction, item_ids: Sequence[int], _: Settings
) -> str:
    names = item_queries.external_ids(session, project, item_ids)
    if action is ItemAction.REMOVE_GOLD:
        return f"{remove_gold(session, project, names)} removed from gold."
    wanted: Mapping[str, str | None] = dict.fromkeys(names)
    outcomes = set_gold(session, project, wanted)
    refused = [outcome for outcome in outcomes if outcome.detail]
    said = f"{len(outcomes) - len(refused)} made gold."
    return f"{said} {len(refused)} not: {refused[0].detail}" if refused else said


def _said(outcomes: Sequence[Outcome], words: str) -> str:
    """Return in a sentence what became of the items."""
    refused = [outcome for outcome in outcomes if outcome.code]
    said = f"{len(outcomes) - len(refused)} {words}."
    return f"{said} {len(refused)} not: {refused[0].detail}" if refused else said
