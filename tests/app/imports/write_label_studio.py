"""Writes the exports of a real Label Studio in which three people have labeled.

python -m tests.app.imports.write_label_studio FOLDER
"""

import sys
import tempfile
from pathlib import Path

from tests.label_studio.real import RealLabelStudio

CONFIG = (
    '<View><Text name="text" value="$text"/><Choices name="class" toName="text" choice="single">'
    '<Choice value="good"/><Choice value="bad"/></Choices></View>'
)
EXPORTS = {"JSON": ".json", "JSON_MIN": "-min.json", "CSV": ".csv"}


def write(studio: RealLabelStudio, folder: Path) -> None:
    """Label 20 of 30 texts, and export them."""
    given = {"title": "reviews", "label_config": CONFIG, "maximum_annotations": 3}
    project = studio.call("POST", "/api/projects/", json=given)["id"]
    texts = [{"data": {"text": f"review {i}, naïve", "page": i}} for i in range(30)]
    studio.call("POST", f"/api/projects/{project}/import", json=texts)
    ada = studio.call("GET", "/api/current-user/whoami")["id"]
    bob, eve = studio.add_user("bob@example.com"), studio.add_user("eve@example.com")
    tasks = sorted(task["id"] for task in studio.tasks(project))
    for i, task in enumerate(tasks[:20]):
        right, wrong = ("good", "bad") if i % 2 == 0 else ("bad", "good")
        studio.annotate(task, right, ada)
        if i < 16:
            studio.annotate(task, wrong if i in (3, 4) else right, bob)
        if i == 7:
            studio.annotate(task, None, eve)
        elif i < 8:
            first = studio.annotate(task, right if i == 4 else wrong, eve)
            if i < 3:
                studio.revise(first, right)
    for kind, suffix in EXPORTS.items():
        wanted = {"exportType": kind, "download_all_tasks": "true"}
        answer = studio.http.get(f"/api/projects/{project}/export", params=wanted)
        answer.raise_for_status()
        (folder / f"label-studio{suffix}").write_bytes(answer.content)


def main() -> None:
    """Write them into the folder that is named."""
    with tempfile.TemporaryDirectory() as data:
        studio = RealLabelStudio(Path(data) / "label-studio")
        try:
            studio.start()
            write(studio, Path(sys.argv[1]))
        finally:
            studio.close()


if __name__ == "__main__":
    main()
