"""Changes a project's annotation settings while it runs."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from app.config import Settings
from app.db.queries import events, projects
from app.db.tables import Project
from app.domain.annotation import annotation_from_json
from app.domain.errors import ProjectNotAccepting
from app.domain.states import LABEL_ACCEPTING_PROJECT_STATES, ProjectState
from app.services.annotation_settings import checked_annotation, introduce
from app.services.consensus import resolve_open_items
from app.services.excluded_labels import apply_flagged_labels
from app.services.leases import after_freeing, release_expired


def change_annotation(
    session: Session,
    project_id: int,
    changes: Mapping[str, Any],
    labels_per_item: int | None,
    settings: Settings,
) -> Project:
    """Change some settings; they apply to open items at once, and resolved ones keep their label.

    Labels that are flagged for failed gold count or stop counting with `flagged_labels`. A new
    `labels_per_item` or `overlap_fraction` also changes how many labels open items want. This
    frees a round that waits for annotators who never come.

    Raises:
        InvalidProject: the options do not fit each other.
        ProjectNotAccepting: the project has ended.
    """
    introduce(session, changes.get("adjudicators", ()))
    project = projects.lock(session, project_id)
    if project.state not in {ProjectState.DRAFT, *LABEL_ACCEPTING_PROJECT_STATES}:
        raise ProjectNotAccepting(f"Project {project_id} is {project.state}: labeling has ended.")
    before = (annotation_from_json(project.annotation), project.labels_per_item)
    wanted = project.labels_per_item if labels_per_item is None else labels_per_item
    options = checked_annotation({**project.annotation, **changes}, wanted)
    project.annotation = options.to_json()
    project.labels_per_item = wanted
    if (options, wanted) == before:
        return project
    release_expired(session, project, settings)
    facts = {"labels_per_item": wanted, **options.to_json()}
    if options.flagged_labels is not before[0].flagged_labels:
        changed = apply_flagged_labels(session, project, settings)
        facts |= {"n_labels_changed": changed.n_labels, "n_reopened": changed.n_reopened}
    events.append(session, project_id, "project.annotation_changed", facts)
    redraws = (before[0].overlap_fraction, before[1]) != (options.overlap_fraction, wanted)
    resolve_open_items(session, project, settings, redraws=redraws)
    after_freeing(session, project, settings)
    return project
