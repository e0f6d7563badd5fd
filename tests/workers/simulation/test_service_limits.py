"""Experiments that cannot go through the service are refused with a reason, before they start."""

from pathlib import Path

import httpx
import numpy as np
import pytest
from typer.testing import CliRunner

from svp_client import Client
from tests.experiments import run_any, tiny, tiny_core_sets, tiny_study
from workers.cli.main import app
from workers.simulation.config import ExperimentError
from workers.simulation.load import bundled
from workers.simulation.service_limits import refuse_beyond_service


class TestRefusals:
    @pytest.mark.parametrize(
        ("trap", "why"),
        [
            ("scoring=augmented", "scores each item as it is"),
            ("entropy_zeros=nan_first", "of which its model is surest"),
        ],
    )
    def test_each_published_trap_is_refused_with_its_reason(
        self, tmp_path: Path, trap: str, why: str
    ) -> None:
        for make in (tiny, tiny_core_sets, tiny_study):
            name = trap.partition("=")[0]
            with pytest.raises(ExperimentError, match=rf"traps\.{name}: .*{why}"):
                refuse_beyond_service(make(tmp_path, f"traps.{trap}"))

    def test_all_reasons_are_said_at_once(self, tmp_path: Path) -> None:
        traps = ["traps.scoring=augmented", "traps.entropy_zeros=nan_first"]
        with pytest.raises(ExperimentError, match=r"traps\.scoring.*; traps\.entropy_zeros"):
            refuse_beyond_service(tiny(tmp_path, *traps))

    def test_untrained_models_are_refused(self, tmp_path: Path) -> None:
        weights = "models={a={model='preact8', recipe={weights='a.pt'}}}"
        untrained = tiny_study(tmp_path, weights, "trains=false")
        with pytest.raises(ExperimentError, match="only models that it trained"):
            refuse_beyond_service(untrained)

    def test_models_on_brought_features_are_refused(self, tmp_path: Path) -> None:
        for part in ("train", "test"):
            np.save(tmp_path / f"{part}.npy", np.ones((1797, 4), np.float32))
        probes = tiny_study(
            tmp_path, "models={a={model='probe'}}", f"data.features={str(tmp_path)!r}"
        )
        with pytest.raises(ExperimentError, match="probe takes brought features"):
            refuse_beyond_service(probes)

    def test_nothing_is_asked_of_the_service_nor_written(self, tmp_path: Path) -> None:
        def answer(request: httpx.Request) -> httpx.Response:
            raise AssertionError(request.url)

        http = httpx.Client(transport=httpx.MockTransport(answer))
        trapped = tiny(tmp_path, "traps.scoring=augmented")
        with Client("http://service", "token", http=http) as client, pytest.raises(ExperimentError):
            run_any(trapped, tmp_path / "out", client)
        assert not (tmp_path / "out").exists()

    def test_the_command_refuses_before_it_starts_a_service(self, tmp_path: Path) -> None:
        given = ["--through-api", "--set", "traps.scoring=augmented", "--out", str(tmp_path / "o")]
        answer = CliRunner().invoke(app, ["simulate", "digits", *given])
        assert isinstance(answer.exception, ExperimentError)
        assert not (tmp_path / "o").exists()

    def test_every_bundled_experiment_that_trains_may_go_through(self) -> None:
        refused = set()
        for name, experiment in bundled().items():
            try:
                refuse_beyond_service(experiment)
            except ExperimentError:
                refused.add(name)
        assert refused == {"imagenet-architectures"}

    def test_all_else_may_go_through(self, tmp_path: Path) -> None:
        for make in (tiny, tiny_core_sets, tiny_study):
            refuse_beyond_service(make(tmp_path, "traps.report_best_epoch=true"))
