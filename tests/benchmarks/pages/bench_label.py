"""From key press to the next item on screen, measured in a browser while somebody labels.

    python -m tests.benchmarks.pages.bench_label --folder /tmp/svp-bench \
        --out docs/results/pages/label.json

The API is a process of its own over a project of `--items` texts, and over one of 400 images of
1280 x 960 pixels; the browser adds `--latency-ms` to every request. A time begins with the key
event's own time stamp and ends after the frame that shows the next item was drawn.
"""

import argparse
import io
import json
import random
import statistics
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, Page

from app.api.deps import SESSION_COOKIE
from app.db.queries import tokens, web_sessions
from app.db.session import transaction
from app.db.tables import Role
from app.services.lifecycle import start_project
from app.services.prepared_items import ItemIn
from app.services.projects import ModelChoice
from app.services.web_sessions import begin_session
from tests.benchmarks.rivals import write_facts
from tests.benchmarks.service.bench_polls import fill
from tests.benchmarks.service.serving import PORT, Served, serve
from tests.loop import create_draft, import_lines, publish_in_order
from tests.pages.browser import start_browser

N_IMAGES = 400
WATCH = """(selector) => {
  window.times = [];
  let pressed = null;
  addEventListener("keydown", (event) => { pressed = event.timeStamp; }, true);
  const drawn = new MessageChannel();
  drawn.port1.onmessage = () => {
    if (pressed !== null) { window.times.push(performance.now() - pressed); pressed = null; }
  };
  new MutationObserver(() => requestAnimationFrame(() => drawn.port2.postMessage(0)))
    .observe(document.querySelector(selector), { childList: true, subtree: true });
}"""


def fill_images(served: Served) -> int:
    """Return the id of a project whose photographs of noise and shades are being labeled."""
    rng = np.random.default_rng(0)
    shade = np.linspace(0, 200, 1280)[None, :, None] + np.zeros((960, 1, 3))

    def jpeg(number: int) -> bytes:
        noise = rng.integers(0, 50, (960, 1280, 3)) + number % 5
        buffer = io.BytesIO()
        Image.fromarray((shade + noise).astype(np.uint8)).save(buffer, "JPEG", quality=85)
        return buffer.getvalue()

    with transaction(served.factory) as session:
        project = create_draft(
            session, f"photographs {random.random()}", "image", proxy=ModelChoice("preact8", {}),
            initial_budget=N_IMAGES, round_budget=N_IMAGES, total_budget=N_IMAGES, reserve=0,
        )  # fmt: skip
        lines = (ItemIn(f"i-{i}", image=jpeg(i)) for i in range(N_IMAGES))
        import_lines(session, served.settings, project.id, list(lines))
        start_project(session, project.id)
    publish_in_order(served.factory, served.settings, project.id, N_IMAGES)
    return project.id


def signed_in(served: Served) -> str:
    """Return the secret of a new session of an admin."""
    with transaction(served.factory) as session:
        annotator_id = tokens.annotator_id(session, f"annotator {random.random()}")
        web_sessions.grant(session, annotator_id, Role.ADMIN, None)
        return begin_session(session, annotator_id, served.settings)


def measure(
    served: Served, browser: Browser, project: int, selector: str, options: argparse.Namespace
) -> dict[str, Any]:
    """Return milliseconds from key to screen over `options.labels` labels."""
    url = f"http://127.0.0.1:{PORT}"
    context = browser.new_context(base_url=url, viewport={"width": 1280, "height": 800})
    context.add_cookies([{"name": SESSION_COOKIE, "value": signed_in(served), "url": url}])
    page = context.new_page()
    network = context.new_cdp_session(page)
    network.send("Network.enable")
    conditions = {"offline": False, "downloadThroughput": -1, "uploadThroughput": -1}
    network.send("Network.emulateNetworkConditions", {**conditions, "latency": options.latency_ms})
    page.goto(f"/projects/{project}/label")
    page.locator("#work").wait_for(timeout=60_000)
    page.wait_for_timeout(2000)
    page.evaluate(WATCH, selector)
    times, n_waited = press_keys(page, options.labels, options.pause_ms)
    context.close()
    return {
        "labels": len(times),
        "waited_for_items": n_waited,
        "median_ms": round(statistics.median(times), 1),
        "p95_ms": round(statistics.quantiles(times, n=20)[-1], 1),
        "max_ms": round(max(times), 1),
    }


def press_keys(page: Page, n: int, pause_ms: int) -> tuple[list[float], int]:
    """Label `n` items; return milliseconds of each, and how often none was there."""
    n_waited = 0
    for _ in range(n):
        page.keyboard.press(random.choice("12"))
        page.wait_for_timeout(pause_ms * random.uniform(0.5, 1.5))
        if not page.locator("#work").is_visible():
            n_waited += 1
            page.locator("#work").wait_for(timeout=60_000)
    times: list[float] = page.evaluate("window.times")
    return times, n_waited


def main() -> None:
    """Run both projects and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--labels", type=int, default=200)
    parser.add_argument("--latency-ms", type=int, default=20)
    parser.add_argument("--pause-ms", type=int, default=400)
    options = parser.parse_args()
    with serve(options.folder) as served, start_browser() as browser:
        texts = measure(served, browser, fill(served, options.items), "#text", options)
        images = measure(served, browser, fill_images(served), "#frame", options)
        version = browser.version
    found = {"texts": texts, "images": images}
    print(json.dumps(found, indent=2))
    notes = {"browser": f"Chromium {version}, headless"}
    write_facts(options.out, vars(options), found, notes)


if __name__ == "__main__":
    main()
