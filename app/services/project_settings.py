"""Changes a project's settings for the next round; each change is an event."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from app.config import Settings
from app.db.queries import events, jobs, projects
from app.db.tables import Project
from app.domain.errors import InvalidProject, ProjectNotAccepting
from app.domain.names import normalised
from app.domain.states import ProjectState
from app.services.budget import budget_state
from app.services.leases import release_expired
from app.services.lifecycle import advance, check_brought_features
from app.services.packing import request_packing
from app.services.projects import (
    ModelChoice,
    ProjectIn,
    check_initial_budget,
    checked_settings,
    unique_name,
)

MERGED = (
    "selection",
    "trigger",
    "stop_when",
    "audit",
)  # given keys replace stored ones, others stay
BUDGETS = ("initial_budget", "round_budget", "total_budget", "reserve")
CHANGEABLE_STATES = frozenset({ProjectState.DRAFT, ProjectState.RUNNING, ProjectState.PAUSED})


def change_project(
    session: Session, project_id: int, changes: Mapping[str, Any], settings: Settings
) -> Project:
    """Change settings of a project and return it.

    Strategy, selection options, proxy, trigger and round budget apply from the next round on; the
    current round keeps its own. Reserve, total budget, target, `stop_when` and `audit` are read
    when they are needed.

    Args:
        session: in a transaction that the caller commits.
        project_id: of the project.
        changes: new values by name of a setting: ModelChoice for proxy and target; of selection,
            trigger, stop_when and audit the keys to change.
        settings: of this machine.

    Raises:
        InvalidName: the name is blank or invisible.
        NameTaken: another project has this name.
        InvalidProject: the settings contradict each other, or less than what is spent.
        ProjectNotAccepting: the project's state does not allow the change.
        ProjectNotStartable: it now uses brought features that are not there.
    """
    project = projects.lock(session, project_id)
    name = changes.get("name")
    if name is not None:
        _rename(session, project, normalised(name))
    changes = {key: value for key, value in changes.items() if key != "name"}
    if not changes:
        return project
    _check_state(session, project, set(changes))
    release_expired(session, project, settings)
    checked = checked_settings(_as_handed_in(project, changes), settings.most_model_bytes)
    new = {name: checked.get(name, value) for name, value in changes.items()}
    _check_budgets(session, project, new)
    for name, value in new.items():
        before = getattr(project, name)
        if value != before:
            facts = {"setting": name, "before": before, "after": value}
            events.append(session, project.id, "project.setting_changed", facts)
            setattr(project, name, value)
            if name in ("stop_when", "total_budget"):
                project.stop_reasons = None  # checked again
    if "proxy" in new and project.n_pool:
        request_packing(session, project, settings.job_max_attempts)
    if "selection" in new and project.state != ProjectState.DRAFT:
        check_brought_features(project)
    advance(session, project, settings.job_max_attempts)
    return project


def _rename(session: Session, project: Project, name: str) -> None:
    """Give the project another name, in any state; its id and its address stay."""
    if name == project.name:
        return
    facts = {"setting": "name", "before": project.name, "after": name}
    with unique_name(session, name):
        project.name = name
    events.append(session, project.id, "project.setting_changed", facts)


def _check_state(session: Session, project: Project, names: set[str]) -> None:
    if project.state in CHANGEABLE_STATES:
        if "initial_budget" in names and project.state != ProjectState.DRAFT:
            raise ProjectNotAccepting(
                f"Project {project.id} has started, so round 0 has its budget; change round_budget."
            )
        return
    if project.state != ProjectState.TRAINING_TARGET or names != {"target"}:
        raise ProjectNotAccepting(
            f"Project {project.id} is {project.state}: labeling has ended, and its settings stay. "
            "Only a target whose training has failed can be changed, to retry it."
        )
    if any(not job.is_aside for job in jobs.live_of_project(session, project.id)):
        raise ProjectNotAccepting(
            f"The target of project {project.id} is being trained; it can be changed if that fails."
        )


def _as_handed_in(project: Project, changes: Mapping[str, Any]) -> ProjectIn:
    """Return the changed settings in the form in which projects are created."""
    models = {name: ModelChoice.of_stored(getattr(project, name)) for name in ("proxy", "target")}
    merged = {name: {**getattr(project, name), **changes.get(name, {})} for name in MERGED}
    kept = ("name", "modality", "classes", "strategy", "labels_per_item", "seed", *BUDGETS)
    stored = {name: getattr(project, name) for name in kept}
    return ProjectIn(**{**stored, **models, **changes, **merged})


def _check_budgets(session: Session, project: Project, new: Mapping[str, Any]) -> None:
    total = new.get("total_budget", project.total_budget)
    if project.state == ProjectState.DRAFT:
        check_initial_budget(new.get("initial_budget", project.initial_budget), total)
    unlabeled = project.n_pool - project.n_imported
    if project.state != ProjectState.DRAFT and total > max(unlabeled, project.total_budget):
        raise InvalidProject(
            f"total_budget {total} is more than the {unlabeled} items that the pool holds without "
            "an imported label. Import more items first, or make it smaller."
        )
    budget = budget_state(session, project)
    spent = budget.labeled + budget.committed + budget.open_batch
    if total < min(spent, project.total_budget):
        raise InvalidProject(
            f"total_budget {total} is less than what is labeled or handed out already: {spent} "
            f"items. Make it at least {spent}; to stop now, finish the project."
        )
