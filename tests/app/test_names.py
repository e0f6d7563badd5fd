"""Names are normalised: one person is one annotator however the name is written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.config import Settings
from app.domain.errors import InvalidName
from app.domain.names import class_index, normalised
from svp_client import Client
from tests.app.conftest import MakeClient
from tests.loop import Factory, start_labeling


@pytest.fixture
def project(session_factory: Factory, settings: Settings) -> int:
    """A project whose items are being labeled."""
    return start_labeling(session_factory, settings, "p")


class TestNames:
    @given(st.text(max_size=220))
    def test_a_normalised_name_stays_as_it_is(self, name: str) -> None:
        try:
            found = normalised(name)
        except InvalidName:
            return
        assert normalised(found) == found == found.strip()
        assert "  " not in found

    def test_white_space_and_composition_make_no_other_name(self) -> None:
        assert normalised(" Zoe\u0308 \t Lee\u00a0") == normalised("Zo\u00eb Lee")

    def test_capitals_do(self) -> None:
        assert normalised("Ada") != normalised("ada")

    @pytest.mark.parametrize("name", ["", "  ", "\u200d", "a\u200bdmin", "a\x00", "x" * 201])
    def test_blank_invisible_and_long_names_are_refused(self, name: str) -> None:
        with pytest.raises(InvalidName):
            normalised(name)

    def test_classes_are_found_however_they_are_written(self) -> None:
        classes = ["caf\u00e9", "old  name"]  # the second is from before names were normalised
        assert class_index(classes, " cafe\u0301") == 0
        assert class_index(classes, "old  name") == 1
        assert class_index(classes, "") is None

    def test_one_person_is_one_annotator_however_a_tool_writes_the_name(
        self, make_client: MakeClient, project: int
    ) -> None:
        tool = make_client("tool", project_id=project, act_as=True)
        for name in ("Zo\u00eb", " Zoe\u0308 "):
            tool.next_batch(project, 3, annotator=name)
        first, again = (
            {x["item_id"] for x in tool.next_batch(project, 3, annotator=name)["items"]}
            for name in ("Zo\u00eb", "Zoe\u0308\u00a0")
        )
        assert first == again

    def test_projects_and_classes_are_normalised(self, admin: Client) -> None:
        made = admin.create_project(
            name=" my   texts ",
            modality="text",
            classes=["cafe\u0301", " b"],
            initial_budget=1,
            round_budget=1,
            total_budget=1,
        )
        assert (made["name"], made["classes"]) == ("my texts", ["caf\u00e9", "b"])
