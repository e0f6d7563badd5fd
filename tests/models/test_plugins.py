"""Models that installed packages bring: found, built, trained, and refused where they clash."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoints, entry_points
from pathlib import Path

import numpy as np
import pytest

from app.domain.errors import InvalidProject
from app.services.projects import ModelBounds, ModelChoice, resolve_model
from models.catalog import (
    PLUGIN_GROUP,
    Modality,
    ModelError,
    ModelSetup,
    UnknownModelError,
    find_model,
    known_models,
    models_for,
    resolve_recipe,
)
from models.data.arrays import Images
from models.data.labeled import LabeledSet
from models.networks.build import build
from models.training.train import load_model, train
from tests.plugins import forget_installed, lay_out
from workers.cli.models import describe

CATALOG = """
    from models.catalog import Encoding, ModelInfo
    from models.recipe import Recipe

    def info(name, builder):
        return ModelInfo(
            name,
            "Flat",
            "A linear layer on pixels.",
            Encoding.PIXELS,
            f"{package}.network:{{builder}}",
            {{"mine": Recipe((2,), (0.1,))}},
            "a test",
        )

    INFO = info("flat", "build")
    FLATTER = info("flatter", "build")
    PREACT8 = info("preact8", "build")
    LOST = info("flat", "nowhere")
    NO_MODEL = 7
"""
NETWORK = """
    from torch import nn

    from models.networks.network import Network


    class Flat(Network):
        def __init__(self, spec, n_classes):
            super().__init__()
            self.n_features = spec.height * spec.width * spec.channels
            self.linear = nn.Linear(self.n_features, n_classes)

        def features(self, images):
            return images.flatten(1).float() / 255

        def head(self, features):
            return self.linear(features)


    def build(setup, spec, n_classes):
        return Flat(spec, n_classes)
"""
Install = Callable[..., Path]
IMAGES = ModelBounds("image", 2, None)


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Return what lays out an installed distribution whose entry point brings a model."""
    monkeypatch.syspath_prepend(tmp_path)

    def install_package(package: str, *, name: str = "flat", target: str = "INFO") -> Path:
        point = (PLUGIN_GROUP, name, target if ":" in target else f"{package}.catalog:{target}")
        lay_out(tmp_path, package, point, {"catalog": CATALOG, "network": NETWORK})
        return tmp_path

    yield install_package
    forget_installed()


class TestPlugin:
    def test_it_is_found_built_and_trained_by_name(self, install: Install, tmp_path: Path) -> None:
        install("svp_test_flat")
        assert known_models()[-1] == "flat"
        assert "flat" in models_for(Modality.IMAGE)
        assert resolve_recipe("flat", {"epochs": 3}).epochs_per_stage == (3,)
        assert build("flat", n_classes=2).n_features == 32 * 32 * 3
        images = Images(np.random.default_rng(0).integers(0, 256, (8, 8, 8, 3), dtype=np.uint8))
        recipe = resolve_recipe("flat", {"name": "mine"})
        trained = train(ModelSetup("flat", recipe), LabeledSet(images, np.arange(8) % 2, 2), 0)
        trained.save(tmp_path / "flat.safetensors")
        assert load_model(tmp_path / "flat.safetensors").network.n_features == 192

    def test_the_catalog_finds_it_without_torch(self, install: Install) -> None:
        folder = install("svp_test_light")
        script = (
            f"import sys; sys.path.insert(0, {str(folder)!r});"
            "from models.catalog import find_model; assert find_model('flat').source == 'a test';"
            "assert 'torch' not in sys.modules"
        )
        subprocess.run([sys.executable, "-c", script], check=True)

    def test_svp_models_lists_it(self, install: Install) -> None:
        install("svp_test_listed")
        row = describe("flat")
        assert (row["parameters"], row["features"], row["source"]) == (30_730, 3072, "a test")

    def test_a_name_of_ours_is_refused(self, install: Install) -> None:
        install("svp_test_taken", name="preact8", target="PREACT8")
        with pytest.raises(
            ModelError, match=r"'preact8' of svp\.models takes the name of our model"
        ):
            find_model("preact8")

    def test_two_packages_of_one_name_are_refused(self, install: Install) -> None:
        install("svp_test_one")
        install("svp_test_two")
        with pytest.raises(ModelError, match="more than one package: svp_test_one, svp_test_two"):
            build("flat", n_classes=2)

    def test_another_name_inside_is_refused(self, install: Install) -> None:
        install("svp_test_other", target="FLATTER")
        with pytest.raises(ModelError, match="ModelInfo of that name"):
            find_model("flat")

    def test_something_else_is_refused(self, install: Install) -> None:
        install("svp_test_seven", target="NO_MODEL")
        with pytest.raises(ModelError, match=r"must be a models\.catalog\.ModelInfo .* not 7"):
            find_model("flat")

    def test_code_that_is_not_there_names_the_model(self, install: Install) -> None:
        install("svp_test_lost", target="LOST")
        with pytest.raises(ModelError, match=r"Model flat .*svp_test_lost\.network:nowhere"):
            build("flat", n_classes=2)

    def test_one_that_does_not_load_stops_no_other(
        self, install: Install, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        install("svp_test_broken", target="svp_test_broken.missing:INFO")
        with pytest.raises(
            ModelError, match=r"'flat' of svp\.models does not load: ModuleNotFound"
        ):
            find_model("flat")
        assert find_model("preact8").name == "preact8"
        assert "flat" not in models_for(Modality.IMAGE)
        assert "preact8" in models_for(Modality.IMAGE)
        asked: list[str] = []
        monkeypatch.setattr("app.services.projects.models_for", asked.append)
        assert resolve_model("proxy", ModelChoice("preact8"), IMAGES)["model"] == "preact8"
        assert asked == []  # the list is for the refusal alone
        with pytest.raises(InvalidProject, match=r"proxy: .*does not load"):
            resolve_model("proxy", ModelChoice("flat"), IMAGES)

    def test_packages_are_looked_for_once(
        self, install: Install, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        install("svp_test_once")
        scans: list[str] = []

        def scan(*, group: str) -> EntryPoints:
            scans.append(group)
            return entry_points(group=group)

        monkeypatch.setattr("models.catalog.entry_points", scan)
        assert "flat" in models_for(Modality.IMAGE)
        resolve_recipe("preact8", {})
        assert scans == ["svp.models"]

    def test_without_the_package_the_name_is_unknown(self) -> None:
        with pytest.raises(UnknownModelError, match="There is no model 'flat'"):
            find_model("flat")
