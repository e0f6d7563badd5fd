"""Projects as the API and pages show them."""

from sqlalchemy.orm import Session

from app.db.queries import rounds
from app.db.queries.visibility import Progress
from app.db.tables import Project
from app.presenters.class_changes import present_class_list
from app.schemas.projects import AnnotatorProjectOut, ProgressOut, ProjectOut, RoundRef


def present_project(session: Session, project: Project) -> ProjectOut:
    """Return the project with its newest round."""
    session.flush()
    latest = rounds.latest(session, project.id)
    out = ProjectOut.model_validate(project)
    out.class_list = present_class_list(project)
    out.round = RoundRef.model_validate(latest) if latest else None
    return out


def present_project_to_annotator(
    project: Project, progress: Progress | None = None
) -> AnnotatorProjectOut:
    """Return the part of the project that annotators see, with their own progress."""
    shown = ("id", "name", "state", "modality")
    classes = [each for each in present_class_list(project) if not each.is_retired]
    return AnnotatorProjectOut(
        **{name: getattr(project, name) for name in shown},
        classes=[each.name for each in classes],
        class_hints={each.name: each.hint for each in classes if each.hint},
        progress=ProgressOut.model_validate(progress) if progress else None,
    )
