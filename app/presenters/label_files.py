"""Files of exported labels, written as they are read: for an answer, or by a job."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec

from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings
from app.db.queries import exported_labels as queries
from app.db.queries import labels
from app.db.queries.exported_labels import ExportedLabel, LabelFilter
from app.db.queries.items import ItemContent
from app.db.session import transaction
from app.db.tables import Project, Split
from app.domain.errors import ArtifactMissing, ExportInvalid
from app.exports import csv_table, fasttext, hugging_face, image_folder, label_studio, parquet
from app.exports.formats import NEED_PYARROW, ExportFormat
from app.exports.labeled import LabeledItem
from app.presenters.exported_rows import as_jsonl, in_pages
from app.presenters.labels import present_exported_label
from app.schemas.labels import ExportedLabelOut
from app.services.images import read_image
from app.services.label_exports import LabelExportIn
from app.storage.artifacts import ArtifactStore

ReadPage = Callable[[Session, int, tuple[int, int], LabelFilter], list[ExportedLabel]]

COLUMNS = [
    "item_id", "external_id", "split", "index", "class", "source", "round", "is_control", "method",
    "agreement", "confidence", "labels", "flags", "resolved_at", "metadata", "text", "image_uri",
]  # fmt: skip


def check_format(format_: ExportFormat, project: Project) -> None:
    """Refuse what the project's items cannot be written as.

    Raises:
        ExportInvalid: says what to ask for.
    """
    if format_ is ExportFormat.FASTTEXT and project.modality != "text":
        raise ExportInvalid("fastText's format holds texts; ask for images or csv.")
    if format_ is ExportFormat.IMAGES and project.modality != "image":
        raise ExportInvalid("A folder of images holds images; ask for fasttext or csv.")
    if format_ in NEED_PYARROW and find_spec("pyarrow") is None:
        raise ExportInvalid(
            "The service lacks pyarrow, which writes Parquet; ask for csv, or let the operator "
            "install 'svp-labeling[parquet]'.",
        )


@dataclass
class Place:
    """How far a file is: labels read so far, and the last one's split and index."""

    n_read: int = 0
    split: Split | None = None
    index: int = -1


class LabelFile:
    """The wanted labels of a project as a file; `place` tells what the blocks so far hold.

    Reads in short transactions, so labels that change meanwhile may or may not be in it.
    """

    def __init__(
        self,
        factory: sessionmaker[Session],
        project: Project,
        wanted: LabelExportIn,
        read: Callable[[ItemContent], bytes | None],
        begun: Place | None = None,
    ) -> None:
        self._factory, self._project, self._wanted, self._read = factory, project, wanted, read
        self._is_continued = begun is not None
        self.place = begun or Place()

    def blocks(self) -> Iterator[bytes]:
        """Yield the file; of one that is continued what follows its place."""
        continued = self._is_continued
        columns, names = COLUMNS, self._annotators()
        write: dict[ExportFormat, Callable[[], Iterable[bytes]]] = {
            ExportFormat.JSONL: lambda: (line.encode() for line in as_jsonl(self._shown())),
            ExportFormat.CSV: lambda: csv_table.write(
                self._items(), columns, names, is_raw=self._wanted.raw, is_continued=continued
            ),
            ExportFormat.PARQUET: lambda: parquet.write(self._items(), columns, names),
            ExportFormat.LABEL_STUDIO: lambda: label_studio.write(
                self._items(), is_continued=continued
            ),
            ExportFormat.FASTTEXT: lambda: fasttext.write(self._items()),
            ExportFormat.IMAGES: lambda: image_folder.write(self._items()),
            ExportFormat.HUGGING_FACE: lambda: hugging_face.write(
                self._items(), self._project.classes, columns, is_text=self._is_text
            ),
        }
        yield from write[self._wanted.format]()

    @property
    def _is_text(self) -> bool:
        return self._project.modality == "text"

    def _annotators(self) -> list[str]:
        """Return the names of those who labeled, where each gets a column."""
        if not self._wanted.annotators:
            return []
        with transaction(self._factory) as session:
            return labels.annotators_of(session, self._project.id)

    def _shown(self) -> Iterator[ExportedLabelOut]:
        return (present_exported_label(label, self._project.classes) for label in self._labels())

    def _items(self) -> Iterator[LabeledItem]:
        for label in self._labels():
            shown = present_exported_label(label, self._project.classes)
            content = label.content
            yield LabeledItem(
                external_id=label.external_id,
                split=label.split,
                class_name=shown.class_,
                values=shown.model_dump(by_alias=True, mode="json"),
                metadata=label.metadata,
                given={given.annotator: given.class_ for given in shown.labels},
                text=content.text,
                image=None if content.text is not None else partial(self._read, content),
            )

    def _labels(self) -> Iterator[ExportedLabel]:
        project_id, wanted = self._project.id, self._wanted.filter
        splits = wanted.splits
        if self.place.split is not None:
            splits = splits[splits.index(self.place.split) :]
        for split in splits:
            read = queries.export_page if split is Split.POOL else queries.evaluation_page
            after = self.place.index if split is self.place.split else -1

            def read_page(
                session: Session, index: int, limit: int, read: ReadPage = read
            ) -> list[ExportedLabel]:
                return read(session, project_id, (index, limit), wanted)

            for label in in_pages(self._factory, read_page, lambda label: label.index, after):
                self.place = Place(self.place.n_read + 1, split, label.index)
                yield label


def image_reader(store: ArtifactStore, settings: Settings) -> Callable[[ItemContent], bytes | None]:
    """Return what reads an image; it returns None where the image is gone."""

    def read(content: ItemContent) -> bytes | None:
        try:
            return read_image(store, settings, content)
        except ArtifactMissing:
            return None

    return read
