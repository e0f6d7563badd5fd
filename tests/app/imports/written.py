"""The same two or three items in each format, as the tool or library writes them."""

import importlib.util
import io
import json
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from tests.support import require

TEXTS = {"Works, as it should.": "good", 'It "broke"\nat once.': "bad", "Ümläut": "good"}
LINES = {"Works as it should": "good", "It broke at once": "bad", "Ümläut": "good"}
IMAGES = {"red": "warm", "blue": "cold"}


def library(name: str) -> Any:
    """Return the library that writes a format; the test is skipped where it is missing."""
    require(importlib.util.find_spec(name.partition(".")[0]) is not None, f"{name} is missing")
    return importlib.import_module(name)


def png(colour: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4), colour).save(buffer, "PNG")
    return buffer.getvalue()


def zipped(path: Path, files: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def tarred(path: Path, files: Mapping[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def in_folder(path: Path, files: Mapping[str, bytes]) -> Path:
    for name, data in files.items():
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    return path


def images_by_datasets(path: Path) -> Path:
    """Images and classes as Hugging Face's `datasets` writes them itself."""
    datasets = library("datasets")
    names = sorted(set(IMAGES.values()))
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=names)}
    )
    rows = {
        "image": [{"bytes": png(colour), "path": f"{colour}.png"} for colour in IMAGES],
        "label": [names.index(name) for name in IMAGES.values()],
    }
    datasets.Dataset.from_dict(rows, features).to_parquet(path / "train.parquet")
    return path / "train.parquet"


def texts_by_datasets(path: Path) -> Path:
    datasets = library("datasets")
    names = sorted(set(TEXTS.values()))
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=names)}
    )
    rows = {"text": list(TEXTS), "label": [names.index(name) for name in TEXTS.values()]}
    datasets.Dataset.from_dict(rows, features).to_parquet(path / "train.parquet")
    return path / "train.parquet"


def tar_by_webdataset(path: Path) -> Path:
    webdataset = library("webdataset")
    with webdataset.TarWriter(str(path / "shard-000000.tar")) as writer:
        for number, (colour, name) in enumerate(IMAGES.items()):
            writer.write({"__key__": f"{number:06}", "png": png(colour), "cls": name})
    return path / "shard-000000.tar"


def lines(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def csv_by_pandas(path: Path) -> Path:
    pandas = library("pandas")
    frame = pandas.DataFrame(
        {"text": list(TEXTS), "label": list(TEXTS.values()), "stars": [5, 1, 4]}
    )
    frame.to_csv(path / "reviews.csv", index=False)
    return path / "reviews.csv"


def json_lines(path: Path) -> Path:
    rows = [{"id": i, "text": t, "class": c} for i, (t, c) in enumerate(TEXTS.items())]
    (path / "reviews.jsonl").write_bytes(lines(rows))
    return path / "reviews.jsonl"


def json_array_by_pandas(path: Path) -> Path:
    pandas = library("pandas")
    frame = pandas.DataFrame({"text": list(TEXTS), "label": list(TEXTS.values())})
    frame.to_json(path / "reviews.json", orient="records", indent=1)
    return path / "reviews.json"


def parquet_texts(path: Path) -> Path:
    pandas = library("pandas")
    frame = pandas.DataFrame({"text": list(TEXTS), "label": list(TEXTS.values())})
    library("pyarrow")
    frame.to_parquet(path / "reviews.parquet")
    return path / "reviews.parquet"


def parquet_images(path: Path) -> Path:
    """Images and classes as Hugging Face's `datasets` stores them."""
    pa, pq = library("pyarrow"), library("pyarrow.parquet")
    names = sorted(set(IMAGES.values()))
    features = {
        "image": {"_type": "Image"},
        "label": {"names": names, "_type": "ClassLabel"},
    }
    table = pa.table(
        {
            "image": [{"bytes": png(c), "path": f"{c}.png"} for c in IMAGES],
            "label": [names.index(name) for name in IMAGES.values()],
        }
    ).replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    folder = path / "data"
    folder.mkdir()
    pq.write_table(table, folder / "test-00000-of-00001.parquet")
    return folder


def fasttext(path: Path) -> Path:
    rows = [f"__label__{name} {text}\n" for text, name in LINES.items()]
    (path / "reviews.txt").write_text("".join(rows), encoding="utf-8")
    return path / "reviews.txt"


def class_folders() -> dict[str, bytes]:
    return {f"{name}/{colour}.png": png(colour) for colour, name in IMAGES.items()}


def flat_with_metadata(table: bytes, name: str) -> dict[str, bytes]:
    return {name: table, **{f"{colour}.png": png(colour) for colour in IMAGES}}


METADATA = lines([{"file_name": f"{c}.png", "label": n} for c, n in IMAGES.items()])
LABELS = "".join(["file;label\r\n", *(f"{c}.png;{n}\r\n" for c, n in IMAGES.items())]).encode()


def webdataset(path: Path) -> Path:
    files: dict[str, bytes] = {}
    for i, (colour, name) in enumerate(IMAGES.items()):
        files |= {f"{i:06d}.png": png(colour), f"{i:06d}.cls": name.encode()}
    return tarred(path / "shard-0000.tar", files)


def label_studio_tasks() -> list[dict[str, Any]]:
    return [
        {
            "id": i,
            "data": {"text": text, "source": "web"},
            "annotations": [
                {
                    "id": 10 * i,
                    "completed_by": {"id": 1, "email": "ada@example.org"},
                    "was_cancelled": False,
                    "updated_at": "2026-01-01T00:00:00Z",
                    "result": [
                        {
                            "from_name": "mood",
                            "to_name": "text",
                            "type": "choices",
                            "value": {"choices": [name]},
                        }
                    ],
                }
            ],
            "predictions": [],
        }
        for i, (text, name) in enumerate(TEXTS.items(), start=1)
    ]


def label_studio(path: Path) -> Path:
    (path / "project-1.json").write_text(json.dumps(label_studio_tasks()))
    return path / "project-1.json"


def label_studio_min_rows() -> list[dict[str, Any]]:
    own = {"annotator": 1, "created_at": "2026-01-01", "updated_at": "2026-01-01", "lead_time": 1.5}
    return [
        {"text": text, "id": i, "mood": name, "annotation_id": i, **own}
        for i, (text, name) in enumerate(TEXTS.items(), start=1)
    ]


def label_studio_min(path: Path) -> Path:
    (path / "min.json").write_text(json.dumps(label_studio_min_rows()))
    return path / "min.json"


def label_studio_csv(path: Path) -> Path:
    pandas = library("pandas")
    pandas.DataFrame(label_studio_min_rows()).to_csv(path / "ls.csv", index=False)
    return path / "ls.csv"


def doccano(path: Path) -> Path:
    rows = [
        {"id": i, "text": text, "label": [name], "Comments": []}
        for i, (text, name) in enumerate(TEXTS.items())
    ]
    return zipped(path / "doccano.zip", {"ada.jsonl": lines(rows)})


def prodigy(path: Path) -> Path:
    shared = {"options": [{"id": n, "text": n} for n in ("good", "bad")], "_view_id": "choice"}
    rows = [
        {"text": text, "accept": [name], "answer": "accept", "_input_hash": i, **shared}
        for i, (text, name) in enumerate(TEXTS.items())
    ]
    (path / "prodigy.jsonl").write_bytes(lines(rows))
    return path / "prodigy.jsonl"


def argilla(path: Path) -> Path:
    rows = [
        {
            "id": str(i),
            "status": "completed",
            "_server_id": f"server-{i}",
            "text": text,
            "mood.responses": [name],
            "mood.responses.users": ["user-1"],
            "mood.responses.status": ["submitted"],
            "mood.suggestion": "good",
            "mood.suggestion.score": 0.5,
            "mood.suggestion.agent": None,
        }
        for i, (text, name) in enumerate(TEXTS.items())
    ]
    (path / "records.json").write_text(json.dumps(rows))
    return path / "records.json"


def cvat(path: Path) -> Path:
    images = "".join(
        f'<image id="{i}" name="{colour}.png" width="4" height="4">\n'
        f'<tag label="{name}" source="manual"></tag></image>\n'
        for i, (colour, name) in enumerate(IMAGES.items())
    )
    xml = f'<?xml version="1.0"?>\n<annotations><version>1.1</version>{images}</annotations>'
    files = {f"images/{colour}.png": png(colour) for colour in IMAGES}
    return zipped(path / "cvat.zip", {"annotations.xml": xml.encode(), **files})


def imagenet(path: Path) -> Path:
    files = {f"{name}/{name}_{colour}.png": png(colour) for colour, name in IMAGES.items()}
    return zipped(path / "imagenet.zip", files)


def imagenet_lists(path: Path) -> Path:
    names = sorted(set(IMAGES.values()))
    rows = [f"{c}.png {names.index(n)}\n" for c, n in IMAGES.items()]
    files = {f"images/{colour}.png": png(colour) for colour in IMAGES}
    lists = {"synsets.txt": "\n".join(names).encode(), "train.txt": "".join(rows).encode()}
    return zipped(path / "imagenet.zip", {**lists, **files})


Written = tuple[str, Callable[[Path], Path], Mapping[str, str]]
# name -> (format, what writes it, class by text or colour)
WRITTEN: dict[str, Written] = {
    "csv": ("csv", csv_by_pandas, TEXTS),
    "json lines": ("json", json_lines, TEXTS),
    "json array": ("json", json_array_by_pandas, TEXTS),
    "parquet texts": ("parquet", parquet_texts, TEXTS),
    "parquet images": ("parquet", parquet_images, IMAGES),
    "texts by datasets": ("parquet", texts_by_datasets, TEXTS),
    "images by datasets": ("parquet", images_by_datasets, IMAGES),
    "fasttext": ("fasttext", fasttext, LINES),
    "image folder": ("images", lambda p: in_folder(p / "pets", class_folders()), IMAGES),
    "image folder zip": ("images", lambda p: zipped(p / "a.zip", class_folders()), IMAGES),
    "image folder tar.gz": (
        "images", lambda p: tarred(p / "a.tar.gz", class_folders(), "w:gz"), IMAGES,
    ),
    "metadata.jsonl": (
        "images", lambda p: in_folder(p / "x", flat_with_metadata(METADATA, "metadata.jsonl")),
        IMAGES,
    ),
    "a table beside images": (
        "images", lambda p: zipped(p / "x.zip", flat_with_metadata(LABELS, "labels.csv")), IMAGES,
    ),
    "webdataset": ("webdataset", webdataset, IMAGES),
    "tar by webdataset": ("webdataset", tar_by_webdataset, IMAGES),
    "label studio": ("label-studio", label_studio, TEXTS),
    "label studio min": ("label-studio", label_studio_min, TEXTS),
    "label studio csv": ("label-studio", label_studio_csv, TEXTS),
    "doccano": ("doccano", doccano, TEXTS),
    "prodigy": ("prodigy", prodigy, TEXTS),
    "argilla": ("argilla", argilla, TEXTS),
    "cvat": ("cvat", cvat, IMAGES),
    "imagenet": ("imagenet", imagenet, IMAGES),
    "imagenet lists": ("imagenet", imagenet_lists, IMAGES),
}  # fmt: skip
