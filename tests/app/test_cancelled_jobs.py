"""Cancelling jobs that somebody asked for, and those that may not be."""

import pytest

from app.config import Settings
from app.db.session import transaction
from app.domain.errors import JobFenced
from app.services import jobs
from svp_client import Client, ClientError
from tests.app.conftest import Start
from tests.loop import Factory, claim_waiting, give, ids, poll

pytestmark = pytest.mark.usefixtures("promises")


@pytest.fixture
def project(admin: Client, start: Start, session_factory: Factory) -> int:
    """A project whose two classes are labeled, with a core-set that waits for a worker."""
    made = start(initial_budget=3, total_budget=9, reserve=0)
    items = ids(session_factory, made, 0, 1)
    poll(admin, made, 3)
    for item, name in zip(items, "ab", strict=True):
        give(admin, made, [item], name)
    admin.create_core_set(made, strategy="uniform", fraction=0.5)
    return made


def job_of_core_set(admin: Client, project: int) -> int:
    return admin.core_sets(project)[0]["job_id"]


def test_a_waiting_job_is_cancelled_and_can_be_asked_for_again(admin: Client, project: int) -> None:
    job = job_of_core_set(admin, project)
    assert admin.cancel_job(project, job)["state"] == "cancelled"
    assert admin.core_sets(project)[0]["state"] == "cancelled"
    admin.create_core_set(project, strategy="uniform", fraction=0.5)
    assert admin.core_sets(project)[1]["state"] == "queued"


def test_the_worker_of_a_cancelled_job_is_fenced(
    admin: Client, project: int, session_factory: Factory, settings: Settings
) -> None:
    job = job_of_core_set(admin, project)
    with transaction(session_factory) as session:
        claimed = jobs.claim(session, job, settings)
    assert claimed is not None
    admin.cancel_job(project, job)
    with transaction(session_factory) as session, pytest.raises(JobFenced):
        jobs.report_progress(session, job, claimed.token, {"epoch": 1})


def test_a_job_that_has_ended_stays_as_it_is(admin: Client, project: int) -> None:
    job = job_of_core_set(admin, project)
    admin.cancel_job(project, job)
    with pytest.raises(ClientError, match="is cancelled and cannot become cancelled"):
        admin.cancel_job(project, job)


def test_a_job_of_a_round_follows_its_project(
    admin: Client, project: int, session_factory: Factory, settings: Settings
) -> None:
    give(admin, project, ids(session_factory, project, 2), "a")
    claimed = claim_waiting(session_factory, settings, project)
    assert claimed is not None
    round_jobs = [job["id"] for job in admin.jobs(project) if job["kind"] == "select"]
    with pytest.raises(ClientError, match="pause, finish or cancel the project"):
        admin.cancel_job(project, round_jobs[0])


def test_an_unknown_job(admin: Client, project: int) -> None:
    with pytest.raises(ClientError, match="There is no job 99"):
        admin.cancel_job(project, 99)
