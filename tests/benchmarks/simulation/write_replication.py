"""Puts what the stored reports say into docs/replication.md, so that no number is typed by hand.

A section of results stands between `<!-- results of NAME -->` and `<!-- end of results -->`; it
becomes the main part of docs/results/NAME/report.md, or says that nothing has run yet.

    python -m tests.benchmarks.simulation.write_replication
"""

import re
from pathlib import Path

DOCS = Path(__file__).parents[3] / "docs"
SECTION = re.compile(r"<!-- results of (\S+) -->\n.*?<!-- end of results -->", re.DOTALL)
FACTS = ("command", "data", "seeds", "device")


def filled(text: str, results: Path) -> str:
    """Return the text of docs/replication.md with its sections as the reports in `results` are."""
    return SECTION.sub(
        lambda found: (
            f"<!-- results of {found[1]} -->\n{section(found[1], results)}\n<!-- end of results -->"
        ),
        text,
    )


def section(name: str, results: Path) -> str:
    """Return what one report says: title, facts, what is missing, main tables and pictures."""
    path = results / name / "report.md"
    if not path.exists():
        return f"Not run yet: no `docs/{results.name}/{name}/report.md`."
    main = path.read_text(encoding="utf-8").partition("\n## Details")[0]
    title, _, body = main.partition("\n")
    facts = dict(re.findall(r"^- (.+?): (.+)$", body, re.MULTILINE))
    after_facts = re.sub(r"^- .+\n", "", body, flags=re.MULTILINE).strip()
    shown = "; ".join(f"{fact} {facts[fact]}" for fact in FACTS if fact in facts)
    lowered = re.sub(r"^## ", "##### ", after_facts, flags=re.MULTILINE)
    linked = re.sub(r"\]\((\S+?\.png)\)", rf"]({results.name}/{name}/\1)", lowered)
    report = f"[The whole report]({results.name}/{name}/report.md)"
    return f"*{title.removeprefix('# ')}*: {shown}. {report}.\n\n{linked}"


def main() -> None:
    """Write docs/replication.md."""
    path = DOCS / "replication.md"
    path.write_text(filled(path.read_text(encoding="utf-8"), DOCS / "results"), encoding="utf-8")


if __name__ == "__main__":
    main()
