"""The lead's pages over HTTP: what they show, what their forms do, and their faults."""

import html
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from sqlalchemy import text

from app.config import Settings
from app.db.session import transaction
from svp_client import Client
from tests.app.conftest import Start
from tests.loop import Factory, give, poll
from tests.pages.conftest import GetPage
from tests.pages.lead import Made, make_project

EXPORTS = Path(__file__).parents[1] / "app" / "imports" / "exports"
SCRIPT = "<script>throw Error('ran')</script>"
Post = Callable[..., httpx.Response]


@pytest.fixture
def post(get_page: GetPage) -> Post:
    """post(path, files=..., **fields) -> the answer to a form."""

    def send(path: str, files: Any = None, **fields: Any) -> httpx.Response:
        return get_page(path, method="POST", data=fields, files=files)

    return send


@pytest.fixture
def made(session_factory: Factory, settings: Settings) -> Made:
    return make_project(session_factory, settings)


def test_no_page_takes_a_users_words_for_markup(
    get_page: GetPage, session_factory: Factory, settings: Settings
) -> None:
    made = make_project(session_factory, settings, SCRIPT)
    for path in [*made.paths(), "/"]:
        answer = get_page(path)
        assert answer.status_code == 200, path
        assert SCRIPT not in answer.text, path
    assert html.escape(SCRIPT, quote=False).replace("'", "&#39;") in get_page(made.paths()[0]).text


def test_pages_of_a_project_without_anything_say_what_to_do(
    get_page: GetPage, admin: Client, text_project: int
) -> None:
    empty = admin.copy_project(text_project, "empty")["id"]
    for path, words in {
        "": "The project has no items",
        "/items": "Import files",
        "/models": "The first proxy is trained when",
        "/annotators": "Invite annotators",
        "/rounds": "begins when the project is",
        "/map": "A worker lays up to 50,000 items",
        "/jobs": "No job yet",
        "/exports": "No label yet",
        "/label-errors": "It takes 20 labels",
    }.items():
        assert words in get_page(f"/projects/{empty}{path}").text, path


def test_the_list_of_imports_counts_labels_and_skips(
    get_page: GetPage, admin: Client, text_project: int, session_factory: Factory
) -> None:
    admin.import_files(text_project, [("ls.json", b"[]")])
    with transaction(session_factory) as session:
        session.execute(text("UPDATE imports SET n_labels = 4321, n_skips = 17"))
    page = get_page(f"/projects/{text_project}/import").text
    shown = " ".join(re.sub("<[^>]+>", " ", page).split())
    assert "Labels by annotator Skips left out" in shown
    assert re.search(r"0 0 0 4\W321 17 ", shown)


def test_a_map_is_offered_once_there_are_features(
    get_page: GetPage, text_project: int, made: Made
) -> None:
    assert "bring features" in get_page(f"/projects/{text_project}/map").text
    assert "Draw the map" not in get_page(f"/projects/{text_project}/map").text
    with_features = get_page(f"/projects/{made.project}/map").text
    assert "Draw the map" in with_features


def test_jobs_say_which_analysis_they_are(get_page: GetPage, post: Post, made: Made) -> None:
    assert post(f"/projects/{made.project}/analyses", kind="map").status_code == 303
    page = get_page(f"/projects/{made.project}/jobs").text
    (job,) = re.findall(r"/jobs/(\d+)\">Job \d+</a></td><td>Draw the map", page)
    assert "Draw the map" in get_page(f"/projects/{made.project}/jobs/{job}").text


class TestWizard:
    CSV = b"id,review,label,page\n1,fine,pos,3\n2,bad,neg,4\n3,so so,,5\n"

    def look(self, post: Post, content: bytes = CSV, name: str = "my reviews.csv") -> str:
        answer = post("/projects/new/files", files={"files": (name, content)})
        assert answer.status_code == 200
        return answer.text

    def fields(self, page: str, **more: Any) -> dict[str, Any]:
        stored = re.findall(r'name="file" value="([^"]+)"', page)
        return {
            "file": [html.unescape(value) for value in stored],
            "modality": "text",
            "name": "moods",
            "classes": "pos\nneg",
            "total_budget": "1",
            "round_budget": "1",
            "labels_per_item": "1",
            "strategy": "uniform",
            "proxy": "tfidf",
            "target": "tfidf",
            **more,
        }

    def test_files_are_shown_with_columns_classes_and_a_proposal(self, post: Post) -> None:
        page = self.look(post)
        assert "3 texts, 2 with a class" in " ".join(re.sub("<[^>]+>", "", page).split())
        assert 'value="my reviews"' in page
        assert ">neg\npos</textarea>" in page
        assert re.search(r'value="text" selected>text', page)
        assert "so so" in page

    def test_rows_with_a_class_are_shown_wherever_they_stand(self, post: Post) -> None:
        rows = [b"%d,text %d,%s,1" % (n, n, b"pos" if n >= 20 else b"") for n in range(30)]
        page = self.look(post, b"\n".join([b"id,review,label,page", *rows]))
        shown = re.findall(r"text (\d+)", page)
        assert shown == ["0", "1", "2", "3", "20", "21", "22", "23"]

    def test_annotators_and_skips_of_the_files_are_named(self, post: Post) -> None:
        data = (EXPORTS / "label-studio.json").read_bytes()
        page = post("/projects/new/files", files={"files": ("ls.json", data)}).text
        shown = " ".join(re.sub("<[^>]+>", "", page).split())
        assert "Labels by 3 annotators: 1 20, 3 16, 4 7." in shown
        assert "1 skipped or rejected answers stay out." in shown

    def test_other_columns_show_other_items(self, post: Post) -> None:
        page = self.look(post)
        columns = ["id", "review", "label", "page"]
        asked = self.fields(
            page, column=columns, field=["external_id", "ignore", "text", ""], name="kept"
        )
        again = post("/projects/new/preview", **asked).text
        assert "so so" not in again
        assert 'value="kept"' in again

    def test_a_project_is_created_with_its_import(self, post: Post, admin: Client) -> None:
        answer = post("/projects/new", **self.fields(self.look(post), evaluation_percent="50"))
        assert answer.status_code == 303
        project = admin.project(int(answer.headers["location"].rsplit("/", 1)[1]))
        assert (project["name"], project["classes"]) == ("moods", ["pos", "neg"])
        (imported,) = admin.imports(project["id"])
        assert imported["options"] == {"evaluation_share": 0.5}

    @pytest.mark.parametrize(
        ("wrong", "says"),
        [
            ({"classes": "one"}, "Give at least two classes"),
            ({"total_budget": ""}, "Total budget"),
            ({"name": " "}, "Name"),
            ({"strategy": "guess"}, "strategy"),
            ({"labels_per_item": "99"}, "Labels per item"),
        ],
    )
    def test_a_fault_is_said_and_what_was_filled_in_stays(
        self, post: Post, wrong: dict[str, str], says: str
    ) -> None:
        fields = {**self.fields(self.look(post)), **wrong}
        answer = post("/projects/new", **fields)
        assert answer.status_code == 422
        assert says in html.unescape(answer.text)
        if "classes" not in wrong:
            assert ">pos\nneg</textarea>" in answer.text

    def test_what_holds_no_items_is_refused_with_a_reason(self, post: Post) -> None:
        answer = post("/projects/new/files", files={"files": ("x.bin", b"\x00\x01\x02")})
        assert answer.status_code == 422
        assert "The format of x.bin is none that is known" in html.unescape(answer.text)
        assert post("/projects/new/files").status_code == 422

    def test_pictures_are_shown_and_stored_as_one_import(self, post: Post, admin: Client) -> None:
        files = []
        for i in range(3):
            data = io.BytesIO()
            Image.new("RGB", (8, 8), (80 * i, 0, 0)).save(data, "PNG")
            files.append(("files", (f"{i}.png", data.getvalue())))
        page = post("/projects/new/files", files=files).text
        assert page.count('src="data:image/png;base64,') == 3
        fields = self.fields(page, modality="image", proxy="preact8", target="preact8")
        answer = post("/projects/new", **fields)
        (imported,) = admin.imports(int(answer.headers["location"].rsplit("/", 1)[1]))
        assert imported["name"] == "images.zip"


class TestState:
    def test_a_project_is_started_paused_and_archived(
        self, post: Post, admin: Client, text_project: int
    ) -> None:
        for action, state in {
            "start": "running", "pause": "paused", "resume": "running", "cancel": "cancelled"
        }.items():  # fmt: skip
            assert post(f"/projects/{text_project}/state", action=action).status_code == 303
            assert admin.project(text_project)["state"] == state
        post(f"/projects/{text_project}/state", action="archive")
        assert admin.project(text_project)["archived_at"] is not None

    def test_a_project_that_has_ended_shows_no_pace(
        self, post: Post, get_page: GetPage, made: Made
    ) -> None:
        assert "Time left" in get_page(f"/projects/{made.project}").text
        post(f"/projects/{made.project}/state", action="cancel")
        assert "Time left" not in get_page(f"/projects/{made.project}").text

    def test_what_may_not_follow_is_refused_with_a_page(
        self, post: Post, text_project: int
    ) -> None:
        answer = post(f"/projects/{text_project}/state", action="resume")
        assert (answer.status_code, "text/html" in answer.headers["content-type"]) == (409, True)


class TestItems:
    def test_a_label_is_changed_requeued_and_made_gold(
        self, post: Post, admin: Client, made: Made
    ) -> None:
        path = f"/projects/{made.project}/items"
        wanted = admin.project(made.project)["classes"][0]
        post(path, action="decide", item=[made.item], **{"class": wanted})
        found = admin.item_history(made.project, made.item)["item"]
        assert (found["label"], found["method"]) == (wanted, "adjudicated")
        post(path, action="make_gold", item=[made.item])
        assert admin.item_history(made.project, made.item)["item"]["gold_class"] == wanted
        post(path, action="remove_gold", item=[made.item])
        post(path, action="requeue", item=[made.item])
        found = admin.item_history(made.project, made.item)["item"]
        assert (found["label"], found["gold_class"]) == (None, None)

    def test_what_was_refused_is_said(self, post: Post, made: Made) -> None:
        answer = post(
            f"/projects/{made.project}/items", action="decide", item=[999_999], **{"class": "x"}
        )
        assert "has%20no%20pool%20item" in answer.headers["set-cookie"]

    def test_a_form_leads_back_to_the_list_alone(self, post: Post, made: Made) -> None:
        fields = {"action": "requeue", "item": [made.item]}
        for back, target in {"/items?gold=true": "/items?gold=true", "//evil": "/items"}.items():
            answer = post(f"/projects/{made.project}/items", **fields, back=back)
            assert answer.headers["location"] == f"/projects/{made.project}{target}"

    def test_the_confusion_matrix_opens_its_items(self, get_page: GetPage, made: Made) -> None:
        page = get_page(f"/projects/{made.project}/models/{made.model}").text
        links = re.findall(r'href="([^"]*confused_by[^"]*)"', page)
        texts = [get_page(html.unescape(link)).text for link in links]
        assert sorted(text.count('class="shown"') for text in texts) == [1, 3]

    def test_filters_of_the_page_are_those_of_the_api(self, get_page: GetPage, made: Made) -> None:
        page = get_page(f"/projects/{made.project}/items?disputed=true").text
        assert page.count('class="shown"') == 1
        page = get_page(f"/projects/{made.project}/items?state=unlabeled&view=list").text
        assert "No item matches" not in page


class TestPeople:
    def test_agreement_is_shown_by_annotator_and_pair(self, get_page: GetPage, made: Made) -> None:
        page = get_page(f"/projects/{made.project}/annotators/agreement").text
        words = " ".join(re.sub("<[^>]+>", " ", page).split())
        assert "Labeled by several 2 items" in words
        assert "ada plain bob plain 2" in words

    def test_an_annotator_is_paused_with_a_reason_and_resumed(
        self, post: Post, admin: Client, made: Made
    ) -> None:
        base = f"/projects/{made.project}/annotators"
        post(f"{base}/pause", name="ada plain", reason="asleep")
        paused = {a["name"]: a["paused"] for a in admin.annotators(made.project)}
        assert paused["ada plain"] == "asleep"
        post(f"{base}/resume", name="ada plain")
        assert {a["name"]: a["paused"] for a in admin.annotators(made.project)}["ada plain"] is None

    def test_a_flag_is_closed(self, post: Post, admin: Client, made: Made) -> None:
        (flag,) = admin.flags(made.project)
        post(f"/projects/{made.project}/flags/{flag['id']}/close")
        assert not list(admin.flags(made.project))


class TestSettings:
    def test_what_differs_is_changed(
        self, post: Post, get_page: GetPage, admin: Client, made: Made
    ) -> None:
        answer = post(
            f"/projects/{made.project}/settings",
            name="renamed",
            round_budget="3",
            control_fraction="30",
            kappa="0.9",
            gain="",
            gold_min_accuracy="80",
            labels_per_item="1",
            adjudicators="eve\nivy",
        )
        assert answer.status_code == 303
        project = admin.project(made.project)
        assert (project["name"], project["round_budget"]) == ("renamed", 3)
        assert project["selection"]["control_fraction"] == pytest.approx(0.3)
        assert (project["stop_when"]["kappa"], project["stop_when"]["gain"]) == (0.9, None)
        assert project["annotation"]["adjudicators"] == ["eve", "ivy"]
        assert project["annotation"]["gold_min_accuracy"] == pytest.approx(0.8)
        assert "setting changed" in get_page(f"/projects/{made.project}/settings").text

    @pytest.mark.parametrize(
        ("wrong", "says"),
        [
            ({"round_budget": "0"}, "Round budget"),
            ({"control_fraction": "many"}, "Selection control fraction"),
            ({"total_budget": "1"}, "less than what is labeled"),
        ],
    )
    def test_a_fault_is_said(
        self, post: Post, made: Made, wrong: dict[str, str], says: str
    ) -> None:
        answer = post(f"/projects/{made.project}/settings", **wrong)
        assert answer.status_code == 422
        assert says in html.unescape(answer.text)


def test_the_list_shows_progress_and_the_last_activity(
    get_page: GetPage, admin: Client, start: Start, session_factory: Factory
) -> None:
    project = start()
    give(admin, project, poll(admin, project, 2))
    with transaction(session_factory) as session:
        session.execute(text("UPDATE labels SET created_at = now() - interval '3 h'"))
    page = get_page("/").text
    assert "2 of 6" in page
    assert "just now" in page  # the next round's event
