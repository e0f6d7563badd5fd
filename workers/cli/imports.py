"""`svp import`: files of any known format into a project of a running service."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer

if TYPE_CHECKING:
    from app.imports.formats import Source
    from app.imports.found import Found, FoundItem, Options
    from app.imports.survey import Survey
    from svp_client import Client
    from svp_client.types import Project

DEFAULT_URL = "http://127.0.0.1:8000"
SHOWN_CLASSES = 12
SHOWN_CHARACTERS = 60
MOST_DEFAULT_BUDGET = 1000
DOWNLOAD_SECONDS = 60.0


@dataclass(frozen=True)
class Reading:
    """Options of the command that say how to read the files."""

    format: str | None
    options: "Options"
    labels: Path | None


def import_items(  # noqa: PLR0913 - the options of a command
    project: Annotated[str, typer.Argument(help="Name or id of the project.")],
    paths: Annotated[
        list[str], typer.Argument(help="Files, folders, archives, or URLs of such.")
    ],
    *,
    labels: Annotated[
        Path | None, typer.Option(help="Table of labels or metadata by file name or external id.")
    ] = None,
    map_: Annotated[
        list[str] | None,
        typer.Option("--map", help="COLUMN=FIELD: text, image, image_uri, class, external_id, "
                     "split, annotator or ignore; may be repeated."),
    ] = None,
    annotators: Annotated[
        list[str] | None,
        typer.Option("--annotator", help="NAME=OTHER: an annotator of the files and the name here; "
                     "may be repeated."),
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="pool or evaluation, whatever the files say.")
    ] = None,
    format_: Annotated[
        str | None, typer.Option("--format", help="Name of the format. [found out]")
    ] = None,
    encoding: Annotated[str | None, typer.Option(help="Of text files. [found out]")] = None,
    delimiter: Annotated[str | None, typer.Option(help="Of CSV. [found out]")] = None,
    copies: Annotated[
        bool, typer.Option("--copy", help="Let the service store the images behind addresses.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what the files hold; nothing is sent.")
    ] = False,
    create: Annotated[
        bool, typer.Option("--create", help="Make the project, unless it exists.")
    ] = False,
    classes: Annotated[
        str | None, typer.Option(help="With --create: all classes, separated by commas. [found]")
    ] = None,
    evaluation_share: Annotated[
        float, typer.Option(min=0, max=0.9, help="With --create: share of the labeled items of "
                            "each class that measures the models, if the files name no split."),
    ] = 0.1,
    total_budget: Annotated[
        int | None, typer.Option(min=1, help="With --create: items to label in all. [up to 1,000]")
    ] = None,
    seed: Annotated[int, typer.Option(help="With --create: of the evaluation items.")] = 0,
    errors: Annotated[
        Path, typer.Option(help="File for what is refused, made when needed.")
    ] = Path("import-errors.csv"),
    again: Annotated[
        bool, typer.Option("--again", help="Send all, also what an earlier run has sent.")
    ] = False,
    url: Annotated[str, typer.Option(envvar="SVP_URL", help="The service.")] = DEFAULT_URL,
    token: Annotated[
        str | None, typer.Option(envvar=["SVP_ADMIN_TOKEN", "SVP_TOKEN"], help="Admin token.")
    ] = None,
) -> None:  # fmt: skip
    """Import files into a project: CSV, JSON, Parquet, images, archives, exports of other tools.

    Run the same command again to resume an import that was interrupted.
    """
    from app.imports.found import Options  # noqa: PLC0415

    if split not in (None, "pool", "evaluation"):
        raise ValueError("--split is pool or evaluation.")
    said = Options(
        _pairs("map", "COLUMN=FIELD, e.g. review=text", map_),
        encoding,
        _unescaped(delimiter),
        _pairs("annotator", "NAME=OTHER, e.g. 1=ada", annotators),
    )
    reading = Reading(format_, said, labels)
    with ExitStack() as stack:
        sources = [stack.enter_context(_opened(path, reading)) for path in paths]
        for path, source in zip(paths, sources, strict=True):
            typer.echo(
                f"{path}: {source.format.title}, {len(source.files.entries)} files", err=True
            )
        survey = None
        if dry_run or create:
            survey = _surveyed(sources, reading)
            _show(survey)
        if dry_run:
            return
        client = stack.enter_context(connected(url, token))
        target = find_project(client, project)
        if target is None:
            if survey is None:
                raise ValueError(
                    f"There is no project {project!r}; add --create to make it of these files."
                )
            target = _created(client, project, survey, classes, total_budget, seed)
        drawn: frozenset[str] = frozenset()
        if survey is not None and not split:
            drawn = _evaluation(survey, evaluation_share, seed)
        sending = Sending(client, target, reading, split, drawn, copies)
        sending.run(paths, sources, errors, is_again=again)


@dataclass(frozen=True)
class Sending:
    """One import into one project."""

    client: "Client"
    project: "Project"
    reading: Reading
    split: str | None
    drawn: frozenset[str]
    copies: bool

    def run(
        self, paths: list[str], sources: "list[Source]", errors: Path, *, is_again: bool
    ) -> None:
        """Send the sources one after the other, and say what became of them.

        Raises:
            ValueError: something was refused.
        """
        from workers.cli.sending import ErrorFile, Journal, Sender  # noqa: PLC0415

        journals = [
            self._journal(path, source) for path, source in zip(paths, sources, strict=True)
        ]
        if is_again:
            journals = [Journal(journal.path) for journal in journals]
        file = ErrorFile(errors, is_continued=any(j.progress.n_done for j in journals))
        n_failed = 0
        for path, source, journal in zip(paths, sources, journals, strict=True):
            before = journal.progress.n_done
            if before:
                rest = "nothing is left" if journal.progress.is_complete else "resuming"
                typer.echo(f"{path}: {before} were sent before; {rest}.", err=True)
            with _counter(path) as on_progress:
                sender = Sender(
                    self.client, self.project["id"], file, self._split_of, on_progress, self.copies
                )
                done = sender.send(path, found_in(source, self.reading), journal)
            n_failed += done.n_failed
            typer.echo(
                f"{path}: {done.n_created} new, {done.n_updated} updated, "
                f"{done.n_known} known, {done.n_failed} refused."
            )
            _say(
                (done.n_labels, "labels by annotators were stored"),
                (done.n_skips, "skipped or rejected answers stay out"),
            )
        project = self.client.project(self.project["id"])
        typer.echo(
            f"Project {project['id']} ({project['name']}): {project['n_pool']} items in the pool, "
            f"{project['n_imported']} of them with an imported label, and "
            f"{project['n_evaluation']} for evaluation."
        )
        if n_failed:
            raise ValueError(f"{n_failed} were refused; {errors} says which and why.")

    def _split_of(self, item: "FoundItem") -> str:
        if self.split is not None:
            return self.split
        return "evaluation" if item.external_id in self.drawn else item.split or "pool"

    def _journal(self, path: str, source: "Source") -> Any:
        from workers.cli.sending import Journal, digest_of  # noqa: PLC0415

        here, labels = Path(path), self.reading.labels
        changed = digest_of(here, source.files)
        table = labels.stat().st_mtime_ns if labels else None
        place = here.resolve() if here.exists() else path
        service = (self.project["id"], self.project["created_at"])
        return Journal.open(service, place, changed, repr(self.reading), table, self.split)


def found_in(source: "Source", reading: Reading) -> "Iterator[Found]":
    """Return what a source holds, with the labels that stand in a table of their own."""
    from app.imports.beside import LabelTable  # noqa: PLC0415
    from app.imports.files import open_files  # noqa: PLC0415
    from app.imports.given import with_names  # noqa: PLC0415

    if reading.labels is None:
        yield from source.read(reading.options)
        return
    with open_files(reading.labels) as files:
        table = LabelTable(files.entries[0], reading.options)
    names = reading.options.annotators
    yield from (with_names(each, names) for each in table.applied(source.read()))


def _surveyed(sources: "list[Source]", reading: Reading) -> "Survey":
    from app.imports.survey import Survey  # noqa: PLC0415

    survey = Survey()
    for source in sources:
        survey.add(found_in(source, reading))
    return survey


def _show(survey: "Survey") -> None:
    """Say what the files hold."""
    classes = [f"{name} {count}" for name, count in survey.classes.most_common(SHOWN_CLASSES)]
    more = len(survey.classes) - len(classes)
    splits = ", ".join(f"{name} {count}" for name, count in sorted(survey.splits.items()))
    typer.echo(f"{survey.n_texts} texts and {survey.n_images} images ({splits or 'none'})")
    typer.echo(f"classes: {', '.join(classes) or 'none'}{f' and {more} more' if more else ''}")
    if survey.first is not None:
        typer.echo(f"the first: {_shown(survey.first)}")
        if not survey.classes:
            typer.echo("No class was found; if a column holds them, add --map COLUMN=class.")
    if survey.annotators:
        people = [f"{name} {count}" for name, count in survey.annotators.most_common(SHOWN_CLASSES)]
        more = len(survey.annotators) - len(people)
        typer.echo(f"annotators: {', '.join(people)}{f' and {more} more' if more else ''}")
    _say(
        (survey.n_disputed, "items whose annotators disagree come without a class"),
        (survey.n_skips, "skipped or rejected answers stay out"),
        (survey.n_refused, "lines cannot be read"),
    )
    for refused in survey.first_refused:
        typer.echo(f"  line {refused.line}: {refused.detail}")


def _say(*counts: tuple[int, str]) -> None:
    """Say a line for each count that is not 0."""
    for count, words in counts:
        if count:
            typer.echo(f"{count} {words}")


def _shown(item: "FoundItem") -> str:
    """Return what an item was taken for."""
    from app.imports.given import class_of  # noqa: PLC0415

    text = item.text or item.image_uri or "an image"
    text = text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}..."
    metadata = f", metadata {', '.join(item.metadata)}" if item.metadata else ""
    return f"{item.external_id}: {text!r}, class {class_of(item) or 'none'}{metadata}"


def _created(  # noqa: PLR0913, PLR0917 - what the user says of the project
    client: "Client",
    name: str,
    survey: "Survey",
    classes: str | None,
    total_budget: int | None,
    seed: int,
) -> "Project":
    """Make a project of what was found.

    Raises:
        ValueError: too few classes are known.
    """
    names = [part.strip() for part in classes.split(",")] if classes else sorted(survey.classes)
    if len(names) < 2:
        raise ValueError(
            f"The files name {len(names)} classes; a project needs two. Give all of them with "
            "--classes a,b,c."
        )
    n_unlabeled = survey.n_items - sum(map(len, survey.labeled.values()))
    total = total_budget or max(10, min(MOST_DEFAULT_BUDGET, n_unlabeled))
    round_budget = max(1, total // 10)
    project = client.create_project(
        name=name,
        modality=survey.modality,
        classes=names,
        initial_budget=round_budget,
        round_budget=round_budget,
        total_budget=total,
        seed=seed,
    )
    typer.echo(
        f"Project {project['id']} ({name}): {len(names)} classes, {total} labels in all, "
        f"{round_budget} a round. Change that before you start it."
    )
    return project


def _evaluation(survey: "Survey", share: float, seed: int) -> frozenset[str]:
    """Return the ids that measure the models; none where the files name them."""
    if "evaluation" in survey.splits:
        return frozenset()
    return survey.drawn_for_evaluation(share, seed)


def find_project(client: "Client", name: str) -> "Project | None":
    """Return the project of this name or id."""
    if name.isdecimal():
        return client.project(int(name))
    return client.find_project(name)


def connected(url: str, token: str | None) -> "Client":
    """Return a client of the service.

    Raises:
        ValueError: no token is given.
    """
    from svp_client import Client  # noqa: PLC0415

    if not token:
        raise ValueError(
            "Give --token or set SVP_TOKEN to an admin's token: the one that `svp up` showed, or a "
            "new one of `svp token create NAME --role admin --all-projects`."
        )
    return Client(url, token)


@contextmanager
def _opened(path: str, reading: Reading) -> "Iterator[Source]":
    """Yield a source; one behind a URL is downloaded first."""
    from app.imports.formats import open_source  # noqa: PLC0415

    with ExitStack() as stack:
        here = Path(path)
        if "://" in path:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="svp-import-")))
            here = folder / (PurePosixPath(urlsplit(path).path).name or "download")
            _download(path, here)
        yield stack.enter_context(open_source(here, reading.format, sees_neighbours=True))


def _download(url: str, target: Path) -> None:
    """Write what lies behind a URL to a file.

    Raises:
        ValueError: it cannot be read.
    """
    import fsspec  # noqa: PLC0415
    import httpx  # noqa: PLC0415

    try:
        with target.open("wb") as file:
            if urlsplit(url).scheme in ("http", "https"):
                with httpx.stream(
                    "GET", url, follow_redirects=True, timeout=DOWNLOAD_SECONDS
                ) as answer:
                    answer.raise_for_status()
                    file.writelines(answer.iter_bytes())
            else:
                with fsspec.open(url, "rb") as source:
                    while block := source.read(1 << 20):
                        file.write(block)
    except (httpx.HTTPError, OSError, ImportError, ValueError) as error:
        raise ValueError(f"{url} cannot be read: {error}.") from None


@contextmanager
def _counter(path: str) -> Iterator[Any]:
    """Yield what shows on a terminal how many items are done."""
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    console = Console(stderr=True)
    columns = TextColumn("{task.description} {task.completed} done"), TimeElapsedColumn()
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(PurePosixPath(path).name)
        yield lambda n_done: bar.update(task, completed=n_done)


def _pairs(name: str, form: str, options: list[str] | None) -> dict[str, str]:
    pairs = {}
    for option in options or []:
        key, equals, value = option.rpartition("=")
        if not equals or not key or not value:
            raise ValueError(f"--{name} {option}: write {form}.")
        pairs[key] = value
    return pairs


def _unescaped(delimiter: str | None) -> str | None:
    if delimiter in ("\\t", "tab"):
        return "\t"
    if delimiter is not None and len(delimiter) != 1:
        raise ValueError("--delimiter is one character, or tab.")
    return delimiter
