"""Pages for labeling. Their scripts call the JSON API with the browser's cookie."""

from fastapi import APIRouter, Response

from app.api.deps import ProjectDep
from app.db.tables import Project, SkipReason
from app.pages.page import LabelPage, PageRoute
from app.presenters.class_changes import present_class_list

router = APIRouter(include_in_schema=False, route_class=PageRoute)
SKIP_REASONS = [
    (SkipReason.UNREADABLE, "It cannot be read or seen"),
    (SkipReason.AMBIGUOUS, "It is ambiguous"),
    (SkipReason.NO_CLASS_FITS, "No class fits"),
    (SkipReason.DUPLICATE, "It is a duplicate"),
    (SkipReason.SENSITIVE, "It is sensitive"),
    (SkipReason.OTHER, "Another reason"),
]


@router.get("/projects/{project}/label")
def label(page: LabelPage, project: ProjectDep) -> Response:
    """Show one item at a time."""
    classes = _offered(project)
    return page.render("label.html", project=project, classes=classes, skip_reasons=SKIP_REASONS)


@router.get("/projects/{project}/label/grid")
def label_many(page: LabelPage, project: ProjectDep) -> Response:
    """Show many items at once."""
    return page.render("label_grid.html", project=project, classes=_offered(project))


def _offered(project: Project) -> list[dict[str, str]]:
    """Return name and hint of the classes that labels may have, in the order shown."""
    found = present_class_list(project)
    return [{"name": each.name, "hint": each.hint} for each in found if not each.is_retired]
