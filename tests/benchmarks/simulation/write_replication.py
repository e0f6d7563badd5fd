"""Puts what the stored reports say into the documentation, so that no number is typed by hand.

A section of results stands between `<!-- results of NAME -->` and `<!-- end of results -->`; it
becomes the main part of docs/results/NAME/report.md, or says that nothing has run yet. With
`<!-- results of NAME: First title; Second title -->` only these parts of it are shown.

    python -m tests.benchmarks.simulation.write_replication
"""

import re
from collections.abc import Collection
from pathlib import Path

DOCS = Path(__file__).parents[3] / "docs"
PAGES = ("replication.md", "evidence.md")
SECTION = re.compile(
    r"<!-- results of (?P<about>(?P<name>[^\s:]+)(?:: (?P<parts>.+?))?) -->\n.*?"
    r"<!-- end of results -->",
    re.DOTALL,
)
FACTS = ("command", "data", "seeds", "device")


def filled(text: str, results: Path) -> str:
    """Return a page's text with its sections as the reports in `results` are."""

    def written(found: re.Match[str]) -> str:
        titles = found["parts"].split("; ") if found["parts"] else []
        shown = section(found["name"], results, titles)
        return f"<!-- results of {found['about']} -->\n{shown}\n<!-- end of results -->"

    return SECTION.sub(written, text)


def section(name: str, results: Path, titles: Collection[str] = ()) -> str:
    """Return what one report says: title, facts, what is missing, main tables and pictures.

    With `titles`, only the parts of these titles.
    """
    path = results / name / "report.md"
    if not path.exists():
        return f"Not run yet: no `docs/{results.name}/{name}/report.md`."
    main = path.read_text(encoding="utf-8").partition("\n## Details")[0]
    title, _, body = main.partition("\n")
    facts = dict(re.findall(r"^- (.+?): (.+)$", body, re.MULTILINE))
    after_facts = _parts(re.sub(r"^- .+\n", "", body, flags=re.MULTILINE).strip(), titles)
    shown = "; ".join(f"{fact} {facts[fact]}" for fact in FACTS if fact in facts)
    lowered = re.sub(r"^## ", "##### ", after_facts, flags=re.MULTILINE)
    linked = re.sub(r"\]\((\S+?\.png)\)", rf"]({results.name}/{name}/\1)", lowered)
    report = f"[The whole report]({results.name}/{name}/report.md)"
    return f"*{title.removeprefix('# ')}*: {shown}. {report}.\n\n{linked}"


def _parts(body: str, titles: Collection[str]) -> str:
    parts = re.split(r"^(?=## )", body, flags=re.MULTILINE)
    kept = [part for part in parts if not titles or part.partition("\n")[0][3:] in titles]
    return "".join(kept).strip()


def main() -> None:
    """Write the pages."""
    for page in PAGES:
        path = DOCS / page
        text = filled(path.read_text(encoding="utf-8"), DOCS / "results")
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
