"""Archived projects can be read and nothing else, until they are restored."""

import pytest

from svp_client import Client, ClientError
from tests.loop import label


@pytest.fixture
def archived(admin: Client, running: int) -> int:
    """A paused project with one label, archived."""
    label(admin, running, admin.next_batch(running, 1)["items"])
    admin.pause(running)
    admin.archive(running)
    return running


def test_it_leaves_the_list_and_can_be_read(admin: Client, archived: int) -> None:
    assert archived not in [p["id"] for p in admin.projects()]
    (listed,) = admin.projects(archived=True)
    assert listed["id"] == archived
    assert listed["archived_at"]
    assert admin.project(archived)["n_labeled"] == 1
    assert len(list(admin.export_labels(archived))) == 1


def test_nothing_changes_it(admin: Client, archived: int) -> None:
    texts = [{"external_id": "new", "text": "new"}]
    for change in (
        lambda: admin.resume(archived),
        lambda: admin.next_batch(archived, 1),
        lambda: admin.change_project(archived, name="other"),
        lambda: admin.import_items(archived, texts),
        lambda: admin.archive(archived),
    ):
        with pytest.raises(ClientError, match="restore") as refusal:
            change()
        assert (refusal.value.status, refusal.value.code) == (409, "project_archived")


def test_restored_it_goes_on_where_it_was(admin: Client, archived: int) -> None:
    for _ in range(2):
        assert admin.restore(archived)["archived_at"] is None
    assert archived in [p["id"] for p in admin.projects()]
    admin.resume(archived)
    assert label(admin, archived, admin.next_batch(archived, 1)["items"]) == ["created"]


def test_a_running_project_is_not_archived(admin: Client, running: int) -> None:
    with pytest.raises(ClientError, match="Pause it") as refusal:
        admin.archive(running)
    assert refusal.value.code == "project_not_accepting"


def test_nor_is_one_that_a_job_works_for(admin: Client, text_project: int) -> None:
    admin.start(text_project)
    admin.pause(text_project)
    with pytest.raises(ClientError, match="is queued") as refusal:
        admin.archive(text_project)
    assert refusal.value.code == "project_not_accepting"
