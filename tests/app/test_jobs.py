"""Failed jobs are retried."""

import pytest

from app.config import Settings
from app.db.session import transaction
from app.services import jobs
from svp_client import Client, ClientError
from tests.app.conftest import MakeClient, Start
from tests.loop import Factory, claim_waiting, give, poll, publish_in_order

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
