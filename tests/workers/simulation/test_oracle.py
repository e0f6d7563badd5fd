"""The oracle's answers: right, noisy, confused, of real people, of different minds."""

from pathlib import Path

import numpy as np
import pytest

from workers.simulation.config import ExperimentError, OracleConfig
from workers.simulation.oracle import AnswerKey, answer_key

TRUE = np.arange(3000, dtype=np.int64) % 3


def key(tmp_path: Path, seed: int = 1, **config: object) -> AnswerKey:
    rows = np.arange(len(TRUE))
    return answer_key(OracleConfig.model_validate(config), TRUE, 3, seed, rows, tmp_path)


class TestAnswers:
    def test_by_default_they_are_true(self, tmp_path: Path) -> None:
        assert key(tmp_path).answers.tolist() == [TRUE.tolist()]

    def test_noise_changes_its_share_to_other_classes_by_seed_and_item(
        self, tmp_path: Path
    ) -> None:
        noisy = key(tmp_path, noise=0.2)
        wrong = noisy.answers[0] != TRUE
        assert wrong.mean() == pytest.approx(0.2, abs=0.03)
        assert set(np.unique((noisy.answers[0] - TRUE) % 3)) == {0, 1, 2}
        np.testing.assert_array_equal(noisy.answers, key(tmp_path, noise=0.2).answers)
        assert (noisy.answers != key(tmp_path, seed=2, noise=0.2).answers).any()

    def test_confusion_matrix_is_followed(self, tmp_path: Path) -> None:
        matrix = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.3, 0.0, 0.7]]
        answers = key(tmp_path, confusion=matrix).answers[0]
        assert (answers[TRUE < 2] == TRUE[TRUE < 2]).all()
        assert (answers[TRUE == 2] == 0).mean() == pytest.approx(0.3, abs=0.04)
        assert not (answers[TRUE == 2] == 1).any()

    def test_matrix_of_another_size_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ExperimentError, match="3 x 3"):
            key(tmp_path, confusion=[[1.0, 0.0], [0.0, 1.0]])

    def test_disagreement_is_an_annotators_own(self, tmp_path: Path) -> None:
        found = key(tmp_path, disagreement=0.3)
        mine = [found.label(i, 0) for i in range(300)]
        yours = [found.label(i, 1) for i in range(300)]
        assert mine != yours
        assert mine == [found.label(i, 0) for i in range(300)]

    def test_consensus_of_several_is_better_than_one(self, tmp_path: Path) -> None:
        found = key(tmp_path, disagreement=0.3)
        one = np.mean([found.resolved(i, 1) == TRUE[i] for i in range(500)])
        five = np.mean([found.resolved(i, 5) == TRUE[i] for i in range(500)])
        assert five > one + 0.05


class TestLabelSets:
    @pytest.mark.data
    def test_real_people_err_as_published(self, real_data: Path) -> None:
        rows = np.arange(50_000)
        with np.load(real_data / "labels" / "cifar-n" / "cifar10n.npz") as arrays:
            clean = arrays["clean_label"].astype(np.int64)
        config = OracleConfig(label_set="cifar10n.worse_label")
        worse = answer_key(config, clean, 10, 1, rows, real_data)
        # Wei et al. 2022: CIFAR-10N "worst" has 40.21% noise.
        assert (worse.answers[0] != clean).mean() == pytest.approx(0.4021, abs=0.001)
        three = answer_key(OracleConfig(label_set="cifar10n.random"), clean, 10, 1, rows, real_data)
        assert len(three.answers) == 3
        assert three.label(0, 3) == three.label(0, 0)

    def test_unknown_set_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(ExperimentError, match="no label set"):
            key(tmp_path, label_set="mnist.nobody")
