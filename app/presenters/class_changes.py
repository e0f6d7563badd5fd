"""Classes and changes to them as the API and pages show them."""

from app.db.tables import Project
from app.domain.class_settings import shown_classes
from app.schemas.class_changes import ClassChangeOut, ShownClassOut
from app.services.class_changes import ClassEffects


def present_class_list(project: Project) -> list[ShownClassOut]:
    """Return the project's classes in the order shown."""
    found = shown_classes(project.classes, project.class_settings)
    return [ShownClassOut.model_validate(each) for each in found]


def present_class_change(
    project: Project, effects: ClassEffects, *, dry_run: bool
) -> ClassChangeOut:
    """Return the classes by now, and what the change does."""
    return ClassChangeOut(is_dry_run=dry_run, classes=present_class_list(project), **vars(effects))
