"""Failed jobs are retried."""

import pytest
from sqlalchemy import text

from app.config import Settings
from app.db.queries.jobs import claimable_ids
from app.db.session import transaction
from app.services import jobs
from app.services.jobs import COMPUTING
from svp_client import Client, ClientError
from tests.app.conftest import MakeClient, Start
from tests.loop import (
    Factory,
    claim_waiting,
    give,
    poll,
    publish_in_order,
    start_labeling,
)

pytestmark = pytest.mark.usefixtures("promises")


class TestRetry:
    def fail(self, factory: Factory, settings: Settings, project: int) -> None:
        for _ in range(settings.job_max_attempts):
            claimed = claim_waiting(factory, settings, project)
            assert claimed is not None
            with transaction(factory) as session:
                jobs.fail_attempt(session, claimed.id, claimed.token, "out of memory")

    def test_failed_round_goes_on_where_it_failed(
        self, admin: Client, start: Start, session_factory: Factory, settings: Settings
    ) -> None:
        project = start()
        give(admin, project, poll(admin, project, 2))
        self.fail(session_factory, settings, project)
        assert admin.rounds(project)[1]["state"] == "failed"
        assert admin.jobs(project)[0]["error"] == "out of memory"
        job = admin.request("POST", f"/projects/{project}/rounds/1/retry").json()
        assert (job["state"], job["attempts"]) == ("queued", 0)
        assert admin.rounds(project)[1]["state"] == "selecting"
        publish_in_order(session_factory, settings, project, 10)
        assert admin.rounds(project)[1]["state"] == "labeling"

    def test_failed_target_is_retried_by_its_job(
        self, admin: Client, start: Start, session_factory: Factory, settings: Settings
    ) -> None:
        project = start()
        give(admin, project, poll(admin, project, 2))
        admin.request("POST", f"/projects/{project}/finish")
        self.fail(session_factory, settings, project)
        failed = admin.jobs(project)[0]
        job = admin.request("POST", f"/projects/{project}/jobs/{failed['id']}/retry").json()
        assert (job["kind"], job["state"]) == ("train_target", "queued")

    def test_what_has_not_failed_is_not_retried(self, admin: Client, start: Start) -> None:
        project = start()
        for path in ("rounds/0/retry", f"jobs/{admin.jobs(project)[0]['id']}/retry"):
            with pytest.raises(ClientError) as refusal:
                admin.request("POST", f"/projects/{project}/{path}")
            assert (refusal.value.status, refusal.value.code) == (409, "transition_not_allowed")

    def test_annotators_may_not_retry(self, make_client: MakeClient, start: Start) -> None:
        project = start()
        with pytest.raises(ClientError) as refusal:
            make_client("ada").request("POST", f"/projects/{project}/rounds/0/retry")
        assert refusal.value.status == 403


class TestQueue:
    """Jobs wait for one worker; those of `long` take an hour, those of `short` a second."""

    @pytest.fixture
    def names(self, admin: Client, session_factory: Factory, settings: Settings) -> dict[int, str]:
        """Job -> project: each has done one selection, and asks for the next."""
        found = {}
        for name, seconds in (("long", 3600), ("short", 1)):
            project = start_labeling(session_factory, settings, name)
            with transaction(session_factory) as session:
                session.execute(
                    text(
                        "UPDATE jobs SET started_at = finished_at - make_interval(secs => :s) "
                        "WHERE project_id = :p AND kind = 'select'"
                    ).bindparams(p=project, s=seconds)
                )
            give(admin, project, poll(admin, project, 2))
            (job,) = [
                j for j in admin.jobs(project) if j["state"] == "queued" and "select" in j["kind"]
            ]
            found[job["id"]] = name
        return found

    def order(self, factory: Factory, names: dict[int, str]) -> list[str]:
        with transaction(factory) as session:
            waiting = claimable_ids(session, ["cpu", "gpu"], 10, COMPUTING)
        return [names[job] for job in waiting if job in names]

    def test_a_short_job_goes_first(self, session_factory: Factory, names: dict[int, str]) -> None:
        assert self.order(session_factory, names) == ["short", "long"]

    def test_a_long_one_that_has_waited_as_long_as_it_takes_goes_first(
        self, session_factory: Factory, names: dict[int, str]
    ) -> None:
        wait(session_factory, next(job for job, name in names.items() if name == "long"), 3700)
        assert self.order(session_factory, names) == ["long", "short"]

    def test_a_job_says_its_place_and_what_it_waits_for(
        self, admin: Client, session_factory: Factory, names: dict[int, str]
    ) -> None:
        shown = {}
        for with_worker in (False, True):
            if with_worker:
                with transaction(session_factory) as session:
                    session.execute(
                        text("INSERT INTO workers VALUES (gen_random_uuid(), 'w', 'gpu,cpu')")
                    )
            for project in admin.projects():
                for job in admin.jobs(project["id"]):
                    if job["id"] in names:
                        shown[names[job["id"]], with_worker] = (job["place"], job["waits_for"])
                    elif job["state"] == "succeeded":
                        assert (job["place"], job["waits_for"]) == (None, None)
        assert shown["short", False][0] == 1
        assert "No worker serves the queue" in str(shown["short", False][1])
        assert "within a second" in str(shown["short", True][1])
        assert shown["long", True][0] == 2
        assert "1 waiting jobs are before it" in str(shown["long", True][1])


def wait(factory: Factory, job: int, seconds: float) -> None:
    """Let the job have waited so much longer."""
    with transaction(factory) as session:
        session.execute(
            text(
                "UPDATE jobs SET created_at = created_at - make_interval(secs => :s) WHERE id = :j"
            ).bindparams(j=job, s=seconds)
        )
