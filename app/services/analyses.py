"""Analyses: asked for, and published by their jobs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.orm import Session

from app.config import Settings
from app.db.queries import events, projects
from app.db.queries import jobs as job_queries
from app.db.tables import Analysis, AnalysisKind, Job, JobKind, Project
from app.domain.errors import JobFenced, NotFound
from app.domain.states import JobState
from app.services.jobs import ClaimedJob
from app.services.rounds import create_job
from app.services.transitions import set_job_state
from models.seconds import PartSeconds


@dataclass(frozen=True)
class AnalysisFacts:
    """A job's report on an analysis; `result_hash` is the artifact of what is long in it.

    `warnings` are the facts of further events by their name.
    """

    n_labeled: int
    result: dict[str, Any]
    seconds: PartSeconds
    provenance: dict[str, Any]
    result_hash: str | None = None
    warnings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def create_analysis(
    session: Session,
    project: Project,
    kind: AnalysisKind,
    options: Mapping[str, Any],
    settings: Settings,
) -> tuple[Analysis, Job]:
    """Create an analysis of a locked project and its job; the labels are those when it begins."""
    analysis = Analysis(project_id=project.id, kind=kind, options=dict(options))
    session.add(analysis)
    session.flush()
    job = create_job(session, project, JobKind.ANALYZE, analysis, settings.job_max_attempts)
    session.refresh(analysis)
    session.refresh(job)
    return analysis, job


def publish_analysis(session: Session, claimed: ClaimedJob, facts: AnalysisFacts) -> None:
    """End an analysis' job: store its answer.

    Raises:
        JobFenced: the job belongs to another or has ended; nothing is published.
    """
    projects.lock(session, claimed.project_id, even_archived=True)
    job = job_queries.owned(session, claimed.id, claimed.token)
    if job is None:
        raise JobFenced(claimed.id)
    analysis = session.get(Analysis, claimed.analysis_id)
    if analysis is None:
        raise NotFound("analysis", claimed.analysis_id)
    analysis.n_labeled = facts.n_labeled
    analysis.label_version = job.snapshot_version
    analysis.result = facts.result
    analysis.result_hash = facts.result_hash
    analysis.seconds = facts.seconds.wall
    analysis.cpu_seconds = facts.seconds.cpu
    analysis.provenance = facts.provenance
    set_job_state(session, job, JobState.SUCCEEDED)
    about = {"analysis": analysis.id, "kind": analysis.kind, "n_labeled": facts.n_labeled}
    events.append(session, analysis.project_id, "analysis.published", about)
    for name, facts_of in facts.warnings.items():
        events.append(session, analysis.project_id, name, {"analysis": analysis.id, **facts_of})
