"""Flags on items, and reasons to skip."""

import pytest

from svp_client import Client, ClientError
from tests.app.conftest import Start
from tests.loop import events, give, poll

pytestmark = pytest.mark.usefixtures("promises")


class TestFlags:
    def test_a_remark_is_listed_exported_and_closed(
        self, admin: Client, people: list[Client], start: Start
    ) -> None:
        project = start()
        item, other = poll(people[0], project, 2)
        (outcome,) = people[0].flag(project, [item], "two things in one")
        assert outcome["status"] == "flagged"
        give(people[0], project, [item])
        (flag,) = admin.flags(project)
        assert (flag["annotator"], flag["item_id"]) == ("ada", item)
        (row,) = admin.export_labels(project)
        assert row["flags"] == ["two things in one"]
        (refused,) = people[1].flag(project, [other], "mine?")
        assert refused["code"] == "not_yours"
        admin.close_flag(project, flag["id"])
        assert list(admin.flags(project)) == []
        with pytest.raises(ClientError, match="flag 99"):
            admin.close_flag(project, 99)

    def test_the_same_remark_again_is_kept_once(
        self, admin: Client, people: list[Client], start: Start
    ) -> None:
        project = start()
        items = poll(people[0], project, 1)
        given = [people[0].flag(project, items, words) for words in ("odd", "odd", "very odd")]
        assert [outcome["status"] for (outcome,) in given] == ["flagged", "unchanged", "flagged"]
        assert [flag["comment"] for flag in admin.flags(project)] == ["odd", "very odd"]

    def test_skips_have_a_reason_of_the_list(
        self, admin: Client, people: list[Client], start: Start
    ) -> None:
        project = start()
        items = poll(people[0], project, 1)
        with pytest.raises(ClientError, match="unreadable"):
            people[0].skip(project, items, "because")
        people[0].skip(project, items, "other", comment="it is upside down")
        (facts,) = events(admin, project, "item.skipped")
        assert (facts["reason"], facts["comment"]) == ("other", "it is upside down")
