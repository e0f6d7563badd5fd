"""Checks once all faults are over: nothing lost, nothing doubled, nothing waiting."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import psycopg
from sqlalchemy.orm import sessionmaker

from app.db.queries.invariants import find_violations
from app.db.session import make_engine
from tests.system.chaos.ledger import Key
from tests.system.chaos.people import CLASSES, World

SHOWN = 10
STORED = """
SELECT l.project_id, l.item_id, a.name, l.class_index
FROM labels l JOIN annotators a ON a.id = l.annotator_id WHERE l.withdrawn_at IS NULL
UNION ALL
SELECT g.project_id, g.item_id, a.name, g.class_index
FROM gold_answers g JOIN annotators a ON a.id = g.annotator_id WHERE g.class_index IS NOT NULL
"""
GOLD = "SELECT item_id FROM gold_items"
RESOLVED = "SELECT item_id FROM resolved_labels"


def check_labels(world: World) -> dict[str, Any]:
    """Return what the database and the exports hold against what annotators were told."""
    with psycopg.connect(world.service.database_url) as connection:
        rows = connection.execute(STORED).fetchall()
        gold = {item for (item,) in connection.execute(GOLD)}
        resolved = {item for (item,) in connection.execute(RESOLVED)}
    stored = {(p, i, name): CLASSES[c] for p, i, name, c in rows}
    doubled = [key for key, n in Counter((p, i, name) for p, i, name, _ in rows).items() if n > 1]
    standing = world.ledger.standing
    wrong = [
        f"{key}: stored {stored.get(key)}, told {_words(classes)}"
        for key, classes in standing.items()
        if stored.get(key) not in classes
    ]
    exported, twice = _exported(world)
    missing = [
        f"{key}: exported {exported.get(key)}, told {_words(classes)}"
        for key, classes in standing.items()
        if key[1] in resolved - gold and exported.get(key) not in classes
    ]
    must_stand = [key for key, classes in standing.items() if None not in classes]
    return {
        "n_must_stand": len(must_stand),
        "n_stored": len(stored),
        "n_exported": len(exported),
        "n_on_gold": sum(key[1] in gold for key in must_stand),
        "n_on_items_without_result": sum(key[1] not in resolved | gold for key in must_stand),
        "lost_or_wrong": wrong[:SHOWN],
        "stored_but_never_sent": [str(key) for key in stored if key not in standing][:SHOWN],
        "doubled": [str(key) for key in doubled][:SHOWN],
        "lost_or_wrong_in_export": missing[:SHOWN],
        "doubled_in_export": twice[:SHOWN],
    }


def broken_invariants(world: World) -> list[str]:
    """Return what `svp doctor --invariants` would find; asked here, as it loads no torch."""
    engine = make_engine(world.service.database_url, pool_size=1)
    with sessionmaker(engine)() as session:
        broken = [f"{v.invariant}: {v.detail}"[:500] for v in find_violations(session)]
    engine.dispose()
    return broken[:SHOWN]


def problems_of(found: dict[str, Any]) -> Iterator[str]:
    """Yield a sentence for each thing of `check_labels` that is wrong."""
    for name in (
        "lost_or_wrong", "stored_but_never_sent", "doubled", "lost_or_wrong_in_export",
        "doubled_in_export",
    ):  # fmt: skip
        if found[name]:
            yield f"labels {name.replace('_', ' ')}: {found[name]}"


def _words(classes: set[str | None]) -> list[str]:
    return sorted(name or "no label" for name in classes)


def _exported(world: World) -> tuple[dict[Key, str], list[str]]:
    """Return every label of all exports, and what stands in them twice."""
    found: dict[Key, str] = {}
    twice = []
    with world.service.client(world.service.admin_token) as client:
        for project in world.projects:
            lines = list(client.export_labels(project))
            items = Counter(line["item_id"] for line in lines)
            twice += [f"item {item} of {project}" for item, n in items.items() if n > 1]
            for line in lines:
                for given in line["labels"]:
                    key = (project, int(line["item_id"]), str(given["annotator"]))
                    if key in found:
                        twice.append(str(key))
                    found[key] = given["class"]
    return found, twice
