"""Data sets: readers, checksums, sizes, and downloads from a local server."""

import hashlib
import http.server
import io
import pickle
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.catalog import ModelSetup, resolve_recipe, resolve_setup
from models.data.arrays import Images, Texts, Vectors
from models.data.characters import encode_characters
from models.data.readers import (
    DataSetError,
    Part,
    read_cifar10,
    read_cifar100,
    read_digits,
    read_image_folder,
    read_zhang_csv,
)
from workers.simulation import data as data_module
from workers.simulation.config import DataConfig, RareClassesConfig
from workers.simulation.data import SOURCES, DataSource, load_data, model_inputs
from workers.simulation.download import DownloadError, download, extract


def write_cifar10(folder: Path, n: int = 4) -> None:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]:
        pixels = rng.integers(0, 256, (n, 3072)).astype(np.uint8)
        batch = {b"data": pixels, b"labels": [i % 10 for i in range(n)]}
        (folder / name).write_bytes(pickle.dumps(batch))
    names = [f"class {i}".encode() for i in range(10)]
    (folder / "batches.meta").write_bytes(pickle.dumps({b"label_names": names}))


class TestReaders:
    def test_cifar10_keeps_order_and_channels(self, tmp_path: Path) -> None:
        write_cifar10(tmp_path / "cifar")
        found = read_cifar10(tmp_path / "cifar")
        assert isinstance(found.train.content, Images)
        assert found.train.content.pixels.shape == (20, 32, 32, 3)
        batch = (tmp_path / "cifar" / "data_batch_1").read_bytes()
        raw = pickle.loads(batch)[b"data"][0]  # noqa: S301 - written above
        green = found.train.content.pixels[0, :, :, 1]
        np.testing.assert_array_equal(green.ravel(), raw[1024:2048])
        assert found.classes[3] == "class 3"

    def test_cifar100_reads_fine_labels(self, tmp_path: Path) -> None:
        for name in ("train", "test"):
            batch = {b"data": np.zeros((2, 3072), np.uint8), b"fine_labels": [7, 99]}
            (tmp_path / name).write_bytes(pickle.dumps(batch))
        names = [str(i).encode() for i in range(100)]
        (tmp_path / "meta").write_bytes(pickle.dumps({b"fine_label_names": names}))
        assert read_cifar100(tmp_path).test.labels.tolist() == [7, 99]

    def test_damaged_pickle_is_named(self, tmp_path: Path) -> None:
        write_cifar10(tmp_path / "cifar")
        (tmp_path / "cifar" / "test_batch").write_bytes(b"\x80\x04no pickle")
        with pytest.raises(DataSetError, match="test_batch is damaged"):
            read_cifar10(tmp_path / "cifar")

    def test_missing_file_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(DataSetError, match="data_batch_1 is missing"):
            read_cifar10(tmp_path)

    def test_image_folder_in_order_of_names(self, tmp_path: Path) -> None:
        for part, name in (("train", "b"), ("train", "a"), ("val", "b")):
            (tmp_path / part / name).mkdir(parents=True)
            Image.new("RGB", (20, 12), "red").save(tmp_path / part / name / "1.png")
        found = read_image_folder(tmp_path, 8)
        assert found.classes == ["a", "b"]
        assert found.train.labels.tolist() == [0, 1]
        assert found.test.labels.tolist() == [1]
        assert isinstance(found.train.content, Images)
        assert found.train.content.pixels.shape == (2, 8, 8, 3)

    def test_image_folder_with_an_unknown_class_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "train" / "a").mkdir(parents=True)
        (tmp_path / "val" / "z").mkdir(parents=True)
        with pytest.raises(DataSetError, match="classes that train has not: z"):
            read_image_folder(tmp_path, 8)

    def test_zhang_csv_joins_title_and_body_and_counts_classes_from_1(self, tmp_path: Path) -> None:
        (tmp_path / "train.csv").write_text(
            '"2","A ""good"" one","It works, well."\n"1","Bad",""\n'
        )
        found = read_zhang_csv(tmp_path)
        assert found.train.content == ['A "good" one It works, well.', "Bad "]
        assert found.train.labels.tolist() == [1, 0]
        assert len(found.test) == 0

    def test_csv_without_a_class_names_its_line(self, tmp_path: Path) -> None:
        (tmp_path / "train.csv").write_text('"1","a","b"\n"x","a","b"\n')
        with pytest.raises(DataSetError, match=r"train.csv:2"):
            read_zhang_csv(tmp_path)

    def test_digits_are_all_there(self) -> None:
        assert len(read_digits().train) == 1797


class TestLoadData:
    @pytest.fixture
    def folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setenv("SVP_DATA_DIR", str(tmp_path / "data"))
        return tmp_path / "data"

    def test_seed_draws_the_pool_and_evaluation_stays_apart(self) -> None:
        config = DataConfig(name="digits", n_pool=100, n_evaluation=50)
        one, again, other = (load_data(config, seed) for seed in (1, 1, 2))
        assert one.pool_rows.tolist() == again.pool_rows.tolist() != other.pool_rows.tolist()
        assert isinstance(one.evaluation.content, Images)
        assert len(one.evaluation) == 50
        assert not one.is_modified

    def test_other_files_than_published_are_called_modified(self, folder: Path) -> None:
        write_cifar10(folder / "cifar-10-batches-py")
        found = load_data(DataConfig(name="cifar10"), 1)
        assert found.is_modified
        assert found.title == "cifar10 (modified)"

    def test_more_items_than_there_are_is_refused(self) -> None:
        with pytest.raises(ValueError, match=r"make data.n_pool or data.n_evaluation smaller"):
            load_data(DataConfig(name="digits", n_pool=5000), 1)

    def test_rare_classes_are_thin_in_the_pool_and_whole_in_the_evaluation(self) -> None:
        rare = RareClassesConfig(classes=["7", "3"], fraction=0.1)
        plain = load_data(DataConfig(name="digits", n_evaluation=300), 1)
        found = load_data(DataConfig(name="digits", n_evaluation=300, rare=rare), 1)
        assert found.rare == [3, 7]
        before, after = (np.bincount(d.pool.labels, minlength=10) for d in (plain, found))
        thin = np.isin(np.arange(10), found.rare)
        np.testing.assert_array_equal(after[~thin], before[~thin])
        np.testing.assert_array_equal(after[thin], np.round(before[thin] * 0.1))
        np.testing.assert_array_equal(found.evaluation.labels, plain.evaluation.labels)
        raw = read_digits()
        np.testing.assert_array_equal(raw.train.labels[found.pool_rows], found.pool.labels)

    def test_a_rare_class_that_does_not_exist_is_refused_with_those_that_do(self) -> None:
        rare = RareClassesConfig(classes=["seven"], fraction=0.1)
        with pytest.raises(ValueError, match="no class 'seven'; its classes are 0, 1, 2"):
            load_data(DataConfig(name="digits", rare=rare), 1)

    def test_imagenet_is_never_downloaded(self, folder: Path) -> None:
        assert not folder.exists()
        with pytest.raises(DownloadError, match="licence forbids"):
            load_data(DataConfig(name="imagenet"), 1)

    def test_missing_data_set_is_downloaded_checked_and_unpacked(
        self, folder: Path, server: "Server", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write_cifar10(tmp_path / "made" / "tiny")
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
            archive.add(tmp_path / "made" / "tiny", "tiny")
        server.content = buffer.getvalue()
        md5 = hashlib.md5(server.content, usedforsecurity=False).hexdigest()
        source = DataSource(
            lambda where, _: read_cifar10(where), "tiny", {}, f"{server.url}/tiny.tar.gz", md5
        )
        monkeypatch.setattr(data_module, "SOURCES", {**SOURCES, "tiny": source})
        assert len(load_data(DataConfig(name="tiny"), 1).pool) == 20
        assert (folder / "tiny" / "batches.meta").exists()

    @pytest.mark.data
    @pytest.mark.parametrize(
        ("name", "n_pool", "n_classes"),
        [("cifar10", 50_000, 10), ("cifar100", 50_000, 100), ("amazon-domains", 20_365, 2)],
    )
    def test_real_files_are_read(
        self, name: str, n_pool: int, n_classes: int, real_data: Path
    ) -> None:
        assert real_data
        found = load_data(DataConfig(name=name), 1)
        assert (len(found.pool), len(found.classes)) == (n_pool, n_classes)

    @pytest.mark.data
    def test_real_photos_are_read(self, real_data: Path) -> None:
        assert real_data
        found = load_data(DataConfig(name="imagenette", image_size=32), 1)
        assert isinstance(found.pool.content, Images)
        assert found.pool.content.pixels.shape == (1050, 32, 32, 3)


class Server:
    """A local HTTP server of one file; it may break off, and counts what it was asked."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.content = b""
        self.break_after: int | None = None
        self.ranges: list[str | None] = []


@pytest.fixture
def server() -> Iterator[Server]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            found.ranges.append(asked)
            start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
            if asked and start >= len(found.content):
                self.send_error(416)
                return
            self.send_response(206 if asked else 200)
            self.send_header("Content-Length", str(len(found.content) - start))
            self.end_headers()
            end = len(found.content) if found.break_after is None else start + found.break_after
            self.wfile.write(found.content[start:end])

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as above
            pass

    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Server(f"http://127.0.0.1:{httpd.server_address[1]}")
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    yield found
    httpd.shutdown()
    httpd.server_close()


class TestDownload:
    def test_broken_download_goes_on_where_it_stopped(self, server: Server, tmp_path: Path) -> None:
        server.content = np.random.default_rng(0).bytes(3_000_000)
        md5 = hashlib.md5(server.content, usedforsecurity=False).hexdigest()
        server.break_after = 1_200_000
        with pytest.raises(DownloadError, match="run the command again to resume"):
            download(server.url, tmp_path / "file", md5)
        had = (tmp_path / "file.part").stat().st_size
        assert had > 0
        server.break_after = None
        seen: list[tuple[int, int | None]] = []
        download(server.url, tmp_path / "file", md5, lambda n, of: seen.append((n, of)))
        assert server.ranges == [None, f"bytes={had}-"]
        assert (tmp_path / "file").read_bytes() == server.content
        assert seen[-1] == (3_000_000, 3_000_000)

    def test_whole_part_needs_no_second_download(self, server: Server, tmp_path: Path) -> None:
        server.content = b"all of it"
        (tmp_path / "file.part").write_bytes(server.content)
        download(server.url, tmp_path / "file", hashlib.md5(server.content).hexdigest())  # noqa: S324
        assert (tmp_path / "file").read_bytes() == server.content

    def test_wrong_checksum_keeps_nothing(self, server: Server, tmp_path: Path) -> None:
        server.content = b"something else"
        with pytest.raises(DownloadError, match="not the published one"):
            download(server.url, tmp_path / "file", "0" * 32)
        assert list(tmp_path.iterdir()) == []

    def test_archive_writes_nothing_outside_its_folder(self, tmp_path: Path) -> None:
        with tarfile.open(tmp_path / "bad.tar", "w") as archive:
            info = tarfile.TarInfo("../outside")
            info.size = 1
            archive.addfile(info, io.BytesIO(b"x"))
        with pytest.raises(tarfile.OutsideDestinationError):
            extract(tmp_path / "bad.tar", tmp_path / "in")
        assert not (tmp_path / "outside").exists()


class TestModelInputs:
    def test_texts_become_what_the_model_reads(self) -> None:
        part = Part(["Good.", "bad"], np.array([1, 0]))
        found = model_inputs(part, resolve_setup("vdcnn9", {}))
        assert isinstance(found, Texts)
        expected = encode_characters(["Good.", "bad"], 1014)
        np.testing.assert_array_equal(found.token_ids, expected.token_ids)

    @pytest.mark.parametrize("model", ["preact8", "probe"])
    def test_a_model_of_other_items_is_refused(self, model: str) -> None:
        part = Part(["Good.", "bad"], np.array([1, 0]))
        with pytest.raises(ValueError, match=f"{model} does not take this data set's items"):
            model_inputs(part, resolve_setup(model, {}))


class TestVectors:
    def write(self, folder: Path, vectors: np.ndarray) -> DataConfig:
        np.save(folder / "train.npy", vectors)
        return DataConfig(name="digits", n_pool=50, n_evaluation=20, features=str(folder))

    def test_each_item_keeps_its_own_vector(self, tmp_path: Path) -> None:
        pixels = read_digits().train.content
        assert isinstance(pixels, Images)
        vectors = pixels.pixels.reshape(len(pixels), -1).astype(np.float32)
        data = load_data(self.write(tmp_path, vectors), seed=3)
        recipe = resolve_recipe("probe", {})
        for part in (data.pool, data.evaluation):
            found = model_inputs(part, ModelSetup("probe", recipe))
            assert isinstance(found, Vectors)
            assert isinstance(part.content, Images)
            np.testing.assert_array_equal(found.values, part.content.pixels.reshape(len(part), -1))

    @pytest.mark.parametrize(
        ("vectors", "sentence"),
        [
            (np.zeros((1797, 3)), r"float32 of shape \[1797, d\].*; it holds float64"),
            (np.zeros((1796, 3), np.float32), r"it holds float32 of shape \[1796, 3\]"),
            (np.zeros(1797, np.float32), r"it holds float32 of shape \[1797\]"),
            (np.array([object()] * 1797), "damaged or no array of numbers"),
        ],
    )
    def test_other_arrays_are_refused(
        self, vectors: np.ndarray, sentence: str, tmp_path: Path
    ) -> None:
        with pytest.raises(DataSetError, match=sentence):
            load_data(self.write(tmp_path, vectors), seed=3)

    def test_a_missing_or_truncated_file_is_named(self, tmp_path: Path) -> None:
        config = self.write(tmp_path, np.zeros((1797, 3), np.float32))
        path = tmp_path / "train.npy"
        path.write_bytes(path.read_bytes()[:500])
        with pytest.raises(DataSetError, match=r"train.npy is damaged"):
            load_data(config, seed=3)
        path.unlink()
        with pytest.raises(DataSetError, match=r"train.npy is missing"):
            load_data(config, seed=3)
