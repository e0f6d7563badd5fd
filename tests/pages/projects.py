"""Running projects for tests in a browser: texts or images, with a suggestion for each item."""

import io
from collections.abc import Sequence
from typing import Any

from PIL import Image, ImageDraw

from app.config import Settings
from app.db.queries.batches import RankedItem
from app.db.session import transaction
from app.services import job_results
from app.services.job_results import Selection
from app.services.lifecycle import start_project
from app.services.prepared_items import ItemIn
from app.services.projects import ModelChoice
from models.seconds import PartSeconds
from tests.loop import Factory, claim_waiting, create_draft, import_lines


def start_texts(
    factory: Factory,
    settings: Settings,
    texts: Sequence[str],
    classes: Sequence[str] = ("bad", "good"),
    **given: Any,
) -> int:
    """Return the id of a project whose texts are all being labeled, each with a suggestion."""
    lines = [ItemIn(f"t-{i}", text=text) for i, text in enumerate(texts)]
    return _start(factory, settings, lines, classes, "text", **given)


def start_images(
    factory: Factory,
    settings: Settings,
    n: int,
    classes: Sequence[str] = ("circle", "square"),
    side: int | None = None,
    **given: Any,
) -> int:
    """Return the id of a project whose `n` images are all being labeled.

    Args:
        side: pixels of each image's sides; drawings of 240 x 180 without it.
    """
    lines = [ItemIn(f"i-{i}.png", image=drawing(i, side)) for i in range(n)]
    proxy = ModelChoice("preact8", {})
    return _start(factory, settings, lines, classes, "image", proxy=proxy, **given)


def drawing(number: int, side: int | None = None) -> bytes:
    """Return a PNG of a circle (even numbers) or a square, each with a colour of its own."""
    image = Image.new("RGB", (240, 180), (40 + 9 * number % 60, 60, 90))
    draw = ImageDraw.Draw(image)
    box = (60 + 7 * number % 60, 40, 150 + 7 * number % 60, 130)
    colour = (230, 90 + 37 * number % 150, 80 + 53 * number % 150)
    (draw.rectangle if number % 2 else draw.ellipse)(box, fill=colour)
    if side is not None:
        image = image.resize((side, side))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def _start(
    factory: Factory,
    settings: Settings,
    lines: Sequence[ItemIn],
    classes: Sequence[str],
    modality: str,
    *,
    has_suggestions: bool = True,
    name: str = "p",
    **given: Any,
) -> int:
    n = len(lines)
    budgets = {"initial_budget": n, "round_budget": n, "total_budget": n, "reserve": 0}
    with transaction(factory) as session:
        project = create_draft(session, name, modality, classes, **{**budgets, **given})
        import_lines(session, settings, project.id, lines)
        start_project(session, project.id)
    claimed = claim_waiting(factory, settings, project.id)
    assert claimed is not None
    ranked = [
        RankedItem(i, -float(i), *((i % len(classes), 0.9) if has_suggestions else ()))
        for i in range(n)
    ]
    with transaction(factory) as session:
        selection = Selection(ranked, 0, PartSeconds(), "0")
        job_results.publish_selection(session, claimed, selection, settings)
    return project.id
