"""Small projects on the real services, for tests that drive the labeling loop themselves."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings
from app.db.queries import jobs as job_queries
from app.db.queries import tokens
from app.db.queries.batches import RankedItem
from app.db.session import transaction
from app.db.tables import Item, JobKind, Project, Split
from app.services import job_results, jobs
from app.services.import_counts import ImportCounts
from app.services.items import import_items
from app.services.job_results import Selection
from app.services.jobs import COMPUTING, ClaimedJob
from app.services.lifecycle import start_project
from app.services.prepared_items import ItemIn
from app.services.projects import ModelChoice, ProjectIn, create_project
from app.storage.artifacts import ArtifactStore
from models.seconds import PartSeconds
from svp_client import Client
from svp_client.types import BatchItem

Factory = sessionmaker[Session]
CLASSES = ("a", "b")
TINY = ModelChoice("fasttext", {"epochs": 1, "buckets": 50})


def create_draft(
    session: Session,
    name: str = "p",
    modality: str = "text",
    classes: Sequence[str] = CLASSES,
    proxy: ModelChoice = TINY,
    target: ModelChoice | None = None,
    **settings: Any,
) -> Project:
    """Create a draft, by default with a tiny fastText; `settings` override its budgets etc.

    Args:
        target: by default the proxy's model.
    """
    given = {
        "strategy": "uniform",
        "initial_budget": 2,
        "round_budget": 2,
        "total_budget": 6,
        "reserve": 2,
        "labels_per_item": 1,
        "seed": 1,
        **settings,
    }
    wanted = ProjectIn(name, modality, classes, proxy, target or proxy, **given)
    return create_project(session, wanted)


def import_lines(
    session: Session, settings: Settings, project_id: int, lines: Iterable[ItemIn]
) -> None:
    """Import items, each of which must be accepted."""
    counts = ImportCounts()
    store = ArtifactStore(settings.artifact_store_url)
    import_items(session, store, settings, project_id, list(enumerate(lines)), counts)
    assert counts.n_failed == 0


def import_texts(
    session: Session,
    settings: Settings,
    project_id: int,
    names: Sequence[str],
    split: Split = Split.POOL,
    class_name: str | None = None,
) -> None:
    """Import one text per name."""
    lines = (ItemIn(name, split, class_name, f"text {name}") for name in names)
    import_lines(session, settings, project_id, lines)


def start_labeling(
    factory: sessionmaker[Session], settings: Settings, name: str, n_items: int = 10, **given: Any
) -> int:
    """Return the id of a running project whose round 0 is published in index order."""
    with transaction(factory) as session:
        project = create_draft(session, name, **given)
        import_texts(session, settings, project.id, [f"{name}-{i}" for i in range(n_items)])
        start_project(session, project.id)
    publish_in_order(factory, settings, project.id, n_items)
    return project.id


def claim_waiting(
    factory: sessionmaker[Session],
    settings: Settings,
    project_id: int,
    kinds: Collection[JobKind] = COMPUTING,
) -> ClaimedJob | None:
    """Claim the project's waiting job of these kinds, if there is one."""
    with transaction(factory) as session:
        for job_id in jobs.claimable(session, ["cpu", "gpu"], settings, kinds):
            job = job_queries.get(session, job_id)
            if job is not None and job.project_id == project_id:
                return jobs.claim(session, job_id, settings, kinds)
    return None


def in_order(n_items: int) -> Selection:
    """Return a selection that ranks the pool by index."""
    return Selection([RankedItem(i, -float(i)) for i in range(n_items)], 0, PartSeconds(), "0")


def publish_in_order(
    factory: sessionmaker[Session], settings: Settings, project_id: int, n_items: int
) -> None:
    """Do the waiting selection in the worker's place: rank the pool by index."""
    claimed = claim_waiting(factory, settings, project_id)
    assert claimed is not None
    with transaction(factory) as session:
        job_results.publish_selection(session, claimed, in_order(n_items), settings)


def annotator(factory: sessionmaker[Session], name: str) -> int:
    """Return the id of the annotator of this name."""
    with transaction(factory) as session:
        return tokens.annotator_id(session, name)


def expire_leases(
    factory: sessionmaker[Session], project_id: int, annotator_id: int | None = None
) -> None:
    """Let the time of the project's leases (or of one annotator's) run out."""
    with transaction(factory) as session:
        session.execute(
            text(
                "UPDATE batch_item_slots SET leased_until = now() - interval '1 s' "
                "WHERE project_id = :project AND leased_until IS NOT NULL "
                "AND (leased_by = :annotator OR :annotator IS NULL)"
            ).bindparams(project=project_id, annotator=annotator_id)
        )


def poll(client: Client, project: int, size: int) -> list[int]:
    """Return the ids of the items that the client leases."""
    return [item["item_id"] for item in client.next_batch(project, size)["items"]]


def give(client: Client, project: int, items: list[int], name: str = "a") -> list[str]:
    """Label the items with one class; return the code or the status of each."""
    labels = [{"item_id": item, "class": name} for item in items]
    return [r["code"] or r["status"] for r in client.submit_labels(project, labels)]


def label(client: Client, project: int, items: Sequence[BatchItem], name: str = "pos") -> list[str]:
    """Label items of next-batch with one class; return the code or the status of each."""
    return give(client, project, [item["item_id"] for item in items], name)


def events(admin: Client, project: int, name: str) -> list[dict[str, Any]]:
    """Return the facts of the project's events of this name."""
    page = admin.request("GET", f"/projects/{project}/events?limit=1000").json()
    return [event["facts"] for event in page["events"] if event["name"] == name]


def ids(factory: Factory, project: int, *indices: int) -> list[int]:
    """Return the ids of pool items by their indices."""
    with transaction(factory) as session:
        of_index = dict(
            session.execute(
                select(Item.index, Item.id).where(
                    Item.project_id == project, Item.split == Split.POOL
                )
            ).all()
        )
    return [of_index[i] for i in indices]
