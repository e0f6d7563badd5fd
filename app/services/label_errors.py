"""Labels that are likely wrong: asked for, and stored by the analysis that finds them."""

from collections.abc import Sequence
from enum import StrEnum
from importlib.util import find_spec

from sqlalchemy.orm import Session

from app.config import Settings
from app.db.queries import analyses as analysis_queries
from app.db.queries import jobs as job_queries
from app.db.queries import label_errors as queries
from app.db.queries import labels, projects
from app.db.queries.label_errors import Suspected, SuspectedItem
from app.db.tables import Analysis, AnalysisKind, Job
from app.domain.errors import AnalysisInvalid, AnalysisNotReady, JobFenced, NotFound
from app.domain.states import JobState
from app.services.analyses import create_analysis
from app.services.jobs import ClaimedJob

FEWEST_LABELS = 20


class Judge(StrEnum):
    """The model that judges labels: the project's proxy, or its target."""

    PROXY = "proxy"
    TARGET = "target"


def find_label_errors(
    session: Session, project_id: int, judge: Judge, settings: Settings
) -> tuple[Analysis, Job]:
    """Ask for the labels that are likely wrong.

    Raises:
        NotFound: there is no such project.
        AnalysisInvalid: a library is missing, or there is too little to judge.
    """
    project = projects.lock(session, project_id)
    if find_spec("cleanlab") is None:
        raise AnalysisInvalid(
            "Finding label errors needs cleanlab: install svp-labeling[crowd] for the API and the "
            "workers."
        )
    n_labeled = project.n_labeled + project.n_imported
    if n_labeled < FEWEST_LABELS or labels.n_classes_resolved(session, project.id) < 2:
        raise AnalysisInvalid(
            f"{n_labeled} items are labeled; it takes {FEWEST_LABELS}, of at least two classes, to "
            "tell which labels are likely wrong. Label more first."
        )
    model = project.proxy if judge is Judge.PROXY else project.target
    options = {"judge": judge, "model": model}
    return create_analysis(session, project, AnalysisKind.LABEL_ERRORS, options, settings)


def store_suspected(session: Session, claimed: ClaimedJob, found: Sequence[Suspected]) -> None:
    """Store what an analysis suspects; nobody sees it until the job is published.

    Raises:
        JobFenced: the job belongs to another or has ended.
    """
    job = job_queries.owned(session, claimed.id, claimed.token)
    if job is None or job.analysis_id is None:
        raise JobFenced(claimed.id)
    queries.replace_all(session, job.project_id, job.analysis_id, found)


def suspected_page(
    session: Session, project_id: int, analysis_id: int, after_rank: int, limit: int
) -> list[SuspectedItem]:
    """Return a page of what an analysis suspects, most suspected first.

    Raises:
        NotFound: the project has no such analysis.
        AnalysisNotReady: its job has not succeeded, or not yet.
    """
    found = analysis_queries.get(session, project_id, analysis_id, AnalysisKind.LABEL_ERRORS)
    if found is None:
        raise NotFound("search for label errors", analysis_id)
    _, job = found
    if job.state != JobState.SUCCEEDED:
        reason = f": {job.error}" if job.error else ""
        raise AnalysisNotReady(
            f"The job of analysis {analysis_id} is {job.state}{reason}. List the analyses to see "
            "how far it is; a failed job can be retried."
        )
    return queries.page(session, analysis_id, after_rank, limit)
