"""The published code's traps: both modes of each, ours by default."""

from pathlib import Path

import numpy as np
import pytest
import torch

from models.catalog import ModelSetup, resolve_recipe
from models.data.arrays import Images
from models.data.labeled import LabeledSet
from models.predict import predict
from models.training.augment import augment, draw
from models.training.train import train
from selection.uncertainty import entropy
from tests.experiments import indices, run, run_any, tiny, tiny_core_sets
from workers.simulation.config import ExperimentError
from workers.simulation.core_sets.lines import CoreSetLine
from workers.simulation.results import read_lines_of
from workers.steps.scoring import Scoring, with_zeros_first


class TestScoring:
    def test_augmented_scores_are_those_of_images_cropped_and_mirrored_as_in_training(self) -> None:
        rng = np.random.default_rng(0)
        images = Images(rng.integers(0, 256, (40, 16, 16, 3), np.uint8))
        recipe = resolve_recipe("preact8", {"epochs": 1})
        trained = train(ModelSetup("preact8", recipe), LabeledSet(images, np.arange(40) % 3, 3), 0)

        def scored(seed: int) -> np.ndarray:
            stream = torch.Generator().manual_seed(seed)
            found = Scoring(stream).predict(trained, images, device="cpu", with_features=False)
            return found.probs

        draws = draw(40, recipe, torch.Generator().manual_seed(5))
        changed = augment(torch.from_numpy(images.pixels).permute(0, 3, 1, 2), recipe, draws)
        by_hand = Images(changed.permute(0, 2, 3, 1).contiguous().numpy())
        assert scored(5) == pytest.approx(predict(trained, by_hand).probs, abs=1e-6)
        plain = Scoring().predict(trained, images, device="cpu", with_features=False).probs
        assert (plain == predict(trained, images).probs).all()
        assert not (scored(5) == plain).all()
        assert not (scored(5) == scored(6)).all()

    def test_items_with_an_exact_zero_sort_first_only_where_asked(self) -> None:
        probs = np.array([[0.4, 0.6, 0.0], [0.4, 0.3, 0.3], [1.0, 0.0, 0.0]], np.float32)
        assert entropy(probs).argmax() == 1
        published = entropy(with_zeros_first(probs))
        assert published[0] == published[2] > published[1] == entropy(probs)[1]


class TestExperiments:
    def test_defaults_change_no_hash_and_measure_no_best_epoch(self, tmp_path: Path) -> None:
        plain = ["traps.scoring=plain", "traps.entropy_zeros=zero", "traps.report_best_epoch=false"]
        assert tiny(tmp_path).hash == tiny(tmp_path, *plain).hash
        assert tiny(tmp_path).hash != tiny(tmp_path, "traps.scoring=augmented").hash
        lines = run(tiny(tmp_path), tmp_path / "out")["proxy", 3]
        assert {(line.proxy_error_best, line.target_error_best) for line in lines} == {(None, None)}

    @pytest.mark.slow
    def test_augmented_scores_select_others_and_the_same_again(self, tmp_path: Path) -> None:
        crops = "models.proxy.recipe.crop_padding=2"
        plain = indices(run(tiny(tmp_path, crops), tmp_path / "plain"))
        augmented = tiny(tmp_path, crops, "traps.scoring=augmented")
        first = indices(run(augmented, tmp_path / "first"))
        assert first["proxy", 3][0] == plain["proxy", 3][0], "round 0 is scored by nothing"
        assert first["proxy", 3] != plain["proxy", 3]
        assert indices(run(augmented, tmp_path / "second")) == first

    @pytest.mark.slow
    def test_the_best_epoch_stands_beside_the_last(self, tmp_path: Path) -> None:
        best = tiny(tmp_path, "traps.report_best_epoch=true")
        runs, plain = run(best, tmp_path / "best"), run(tiny(tmp_path), tmp_path / "plain")
        assert indices(runs) == indices(plain)
        for key, lines in runs.items():
            for line, other in zip(lines, plain[key], strict=True):
                assert (line.proxy_error, line.target_error) == (
                    other.proxy_error,
                    other.target_error,
                )
                for error, lowest in (
                    (line.proxy_error, line.proxy_error_best),
                    (line.target_error, line.target_error_best),
                ):
                    assert (error is None) == (lowest is None)
                    assert error is None or lowest is None or lowest <= error

    def test_core_sets_report_the_best_epoch_too(self, tmp_path: Path) -> None:
        run_any(tiny_core_sets(tmp_path, "traps.report_best_epoch=true"), tmp_path / "out")
        for lines in read_lines_of(CoreSetLine, tmp_path / "out").values():
            for line in lines:
                assert line.target_error_best is not None
                assert line.target_error_best <= line.target_error

    def test_unknown_traps_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ExperimentError, match=r"traps\.scoring: Input should be 'plain'"):
            tiny(tmp_path, "traps.scoring=twice")
