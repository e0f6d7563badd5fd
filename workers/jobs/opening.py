"""Opens a job: its project, its cause, and the snapshot that its attempts share.

Nothing is uploaded or read from the artifact store while the project is locked.
"""

from contextlib import ExitStack
from dataclasses import dataclass

from app.db.queries import jobs as job_queries
from app.db.queries import projects
from app.db.session import still, transaction
from app.db.tables import Analysis, CoreSet, JobKind, Project, Round, Split
from app.domain.errors import ArtifactMissing, JobFenced, NothingToTrainOn
from app.services.leases import release_expired
from models.catalog import ModelSetup
from workers.jobs.consensus import update_consensus
from workers.jobs.context import JobContext
from workers.jobs.snapshot import Snapshot, gather_snapshot, read_snapshot, store_arrays
from workers.jobs.unreadable import set_aside_rows
from workers.steps.round import RoundInputs

MOST_SNAPSHOTS = 5  # of one attempt


@dataclass(frozen=True)
class OpenedJob:
    """A job's project, its cause, and the snapshot of its first attempt."""

    project: Project
    round_: Round | None
    core_set: CoreSet | None
    analysis: Analysis | None
    snapshot: Snapshot
    snapshot_hash: str


def open_job(context: JobContext) -> OpenedJob:
    """Return the opened job; the first attempt resolves labels and takes the snapshot.

    Raises:
        JobFenced: the job belongs to another or has ended.
    """
    with context.watch.part("snapshot"):
        if not _has_snapshot(context):
            update_consensus(context)
        return _open(context)


def read_inputs(
    context: JobContext, opened: OpenedJob, setup: ModelSetup
) -> tuple[OpenedJob, RoundInputs]:
    """Return the job's arrays as the model takes them.

    Items that turn out to be unreadable are set aside meanwhile. The snapshot is then taken anew,
    without them, and the job, which has not trained yet, works on that one.

    Raises:
        ArtifactMissing: ever more items cannot be read.
        NothingToTrainOn: the job trains, and no labeled item can be read.
    """
    for _ in range(MOST_SNAPSHOTS):
        with context.watch.part("packing"):
            inputs = _read(context, opened, setup)
        if not _has_unreadable(context, opened):
            if context.claimed.kind is not JobKind.SELECT and len(inputs.labels) == 0:
                raise NothingToTrainOn(opened.project.id)
            return opened, inputs
        context.hooks.forget()
        with context.watch.part("snapshot"):
            opened = _open(context, anew=True)
    raise ArtifactMissing(
        f"Ever more items of project {opened.project.id} cannot be read. Check the folders and "
        "hosts of its images, then retry."
    )


def _read(context: JobContext, opened: OpenedJob, setup: ModelSetup) -> RoundInputs:
    """Return the arrays of the job; without a model the contents of items are not looked at."""
    if context.claimed.kind is JobKind.SELECT:
        return context.reader.unread_inputs(opened.project, opened.snapshot)
    return context.reader.round_inputs(opened.project, opened.snapshot, setup)


def _open(context: JobContext, *, anew: bool = False) -> OpenedJob:
    claimed = context.claimed
    with transaction(context.factory) as session:
        project = projects.lock(session, claimed.project_id)
        release_expired(session, project, context.settings)
        job = job_queries.owned(session, claimed.id, claimed.token)
        if job is None:
            raise JobFenced(claimed.id)
        round_ = session.get(Round, claimed.round_id) if claimed.round_id else None
        core_set = session.get(CoreSet, claimed.core_set_id) if claimed.core_set_id else None
        analysis = session.get(Analysis, claimed.analysis_id) if claimed.analysis_id else None
        snapshot_hash = job.snapshot_hash
    if snapshot_hash is None or anew:
        snapshot_hash = _store_snapshot(context)
    with transaction(context.factory) as session:
        project = projects.get(session, claimed.project_id)
    snapshot = read_snapshot(context.store, snapshot_hash)
    return OpenedJob(project, round_, core_set, analysis, snapshot, snapshot_hash)


def _store_snapshot(context: JobContext) -> str:
    """Gather and store the snapshot; return its hash.

    It is read without the project's lock, which annotators wait for: the lock only makes sure that
    what is seen is what the label version of the job says.

    Raises:
        JobFenced: the job belongs to another or has ended.
    """
    claimed = context.claimed
    with ExitStack() as stack:
        with transaction(context.factory) as session:
            project = projects.lock(session, claimed.project_id)
            job = job_queries.owned(session, claimed.id, claimed.token)
            if job is None:
                raise JobFenced(claimed.id)
            # What is revised from here on makes the model stale, though nothing is stored yet.
            job.snapshot_version, job.snapshot_stale = project.label_version, False
            view = stack.enter_context(still(context.factory))
        round_ = view.get(Round, claimed.round_id) if claimed.round_id else None
        arrays = gather_snapshot(view, projects.get(view, claimed.project_id), round_)
    snapshot_hash = store_arrays(context.store, **arrays)
    with transaction(context.factory) as session:
        job = job_queries.owned(session, claimed.id, claimed.token)
        if job is None:
            raise JobFenced(claimed.id)
        job.snapshot_hash = snapshot_hash
    return snapshot_hash


def _has_snapshot(context: JobContext) -> bool:
    with transaction(context.factory) as session:
        job = job_queries.get(session, context.claimed.id)
        return job is not None and job.snapshot_hash is not None


def _has_unreadable(context: JobContext, opened: OpenedJob) -> bool:
    """Return whether the snapshot holds items that are set aside by now."""
    snapshot = opened.snapshot
    return any(
        row < n and row not in known
        for split, n, known in (
            (Split.POOL, snapshot.n_pool, snapshot.set_aside_index),
            (Split.EVALUATION, snapshot.n_evaluation, snapshot.set_aside_evaluation_index),
        )
        for row in set_aside_rows(context.factory, opened.project.id, split)
    )
