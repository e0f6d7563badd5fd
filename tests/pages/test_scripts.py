"""Every string that a user can give is a script: it is shown as text everywhere, and never runs."""

import pytest
from playwright.sync_api import Page

from app.config import Settings
from app.db.session import transaction
from app.db.tables import Import, Job, JobKind, Role, SetAsideItem, SkipReason
from app.domain.states import JobState
from app.services.annotation import change_annotation
from app.services.leases import next_batch
from app.services.prepared_items import ItemIn
from app.services.skips import submit_skips
from svp_client import Client
from tests.app.conftest import MakeClient
from tests.loop import Factory, annotator, import_lines
from tests.pages.browser import assert_accessible
from tests.pages.conftest import Browse
from tests.pages.lead import Made, make_project

pytestmark = pytest.mark.slow
ATTACK = '"><script>throw Error("ran")</script><img src=x onerror="throw Error(1)">'
PARTS = ("/live", "/progress", "/agreement")
SHOWN = """() => [document.title, document.body.innerText,
  ...[...document.querySelectorAll("input, textarea")].map((e) => e.value),
  ...[...document.querySelectorAll("option")].map((e) => e.textContent)].join("\\n")"""
INJECTED = "script:not([src]), img[onerror], img[src=x], [onclick]"


def evil(what: str) -> str:
    """Return a string that names what it is, and attacks."""
    return f"{what} {ATTACK}"


def add_rest(
    factory: Factory, settings: Settings, admin: Client, made: Made, lead: Client
) -> tuple[int, int]:
    """Add what `make_project` has not; return an item with metadata, and a failed job."""
    project = made.project
    classes = admin.project(project)["classes"]
    admin.change_classes(project, kind="describe", name=classes[0], hint=evil("hint"))
    lead.invite(project)
    ivy = annotator(factory, evil("ivy"))

    with transaction(factory) as session:
        line = ItemIn("meta", text="m", metadata={evil("key"): evil("value")})
        import_lines(session, settings, project, [line])
        change_annotation(session, project, {"adjudicators": [evil("judge")]}, None, settings)
    with transaction(factory) as session:
        (leased,) = next_batch(session, project, ivy, 1, settings).items
        submit_skips(
            session, project, ivy, [leased.item.id], SkipReason.OTHER, settings, evil("skip")
        )
    with transaction(factory) as session:
        imported = Import(
            project_id=project, name=evil("file"), content_hash="", options={}, format="csv"
        )
        session.add(imported)
        session.flush()
        job = Job(
            project_id=project, import_id=imported.id, kind=JobKind.IMPORT, queue="cpu",
            state=JobState.FAILED, max_attempts=1, error=evil("error"), log=evil("log"),
            progress={"stage": evil("stage")},
        )  # fmt: skip
        session.add(job)
        session.add(SetAsideItem(item_id=made.item, project_id=project, reason=evil("unreadable")))
        session.flush()
        return leased.item.id, job.id


def look(page: Page, path: str) -> str:
    """Open a page; return all that it says, once nothing of it can still run."""
    page.goto(path)
    page.wait_for_timeout(150)
    assert page.locator(INJECTED).count() == 0, path
    found: str = page.evaluate(SHOWN)
    return found


def test_every_string_of_a_user_is_shown_as_text(
    browse: Browse,
    session_factory: Factory,
    settings: Settings,
    admin: Client,
    make_client: MakeClient,
) -> None:
    made = make_project(session_factory, settings, ATTACK)
    lead = make_client(evil("lea"), Role.LEAD, project_id=made.project)
    skipped, job = add_rest(session_factory, settings, admin, made, lead)
    base = f"/projects/{made.project}"
    link = lead.invite(made.project)
    page = browse(evil("me")).new_page()
    page.context.complaints.allowed = ["404"]  # type: ignore[attr-defined]
    own = [
        f"{base}/items/{skipped}", f"{base}/items?search=meta", f"{base}/jobs/{job}",
        f"{base}/people", f"{base}/label", f"{base}/label/grid", "/", "/projects/new",
        f"{base}/items?search={ATTACK}", f"/{ATTACK}", f"/sign-in?next=/{ATTACK}",
        link[link.index("/join"):],
    ]  # fmt: skip
    with transaction(session_factory) as session:
        meta = session.connection().exec_driver_sql(
            "SELECT id FROM items WHERE external_id = 'meta'"
        )
        own.append(f"{base}/items/{meta.scalar_one()}")
    said = "\n".join(look(page, path) for path in [*made.paths(), *own] if is_page(path))
    kinds = (
        "p", "a", "b", "ada", "bob", "odd", "too fast", "hint", "key", "value", "judge", "skip",
        "file", "error", "log", "stage", "unreadable", "lea", "me",
    )  # fmt: skip
    missing = [kind for kind in kinds if evil(kind)[:60] not in said]
    assert missing == []
    assert_accessible(page)


def is_page(path: str) -> bool:
    """Return whether this is a page, not a part of one."""
    return not path.endswith(PARTS)


def test_what_a_form_says_back_is_text(
    browse: Browse, session_factory: Factory, settings: Settings
) -> None:
    made = make_project(session_factory, settings)
    page = browse("root").new_page()
    page.goto(f"/projects/{made.project}/settings")
    page.get_by_label("Name").fill(evil("renamed"))
    page.get_by_role("button", name="Save").click()
    page.get_by_text("The settings are saved").wait_for()
    page.goto(f"/projects/{made.project}/annotators")
    page.locator("summary", has_text="Pause").first.click()
    page.get_by_label("Reason").fill(evil("reason"))
    page.get_by_role("button", name="Pause").first.click()
    page.get_by_text(evil("reason")).wait_for()
    assert page.locator(INJECTED).count() == 0
