"""Stopping advice on real data, by real jobs: the control arm tells how good the proxy is."""

from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings
from tests.benchmarks.advice import AMAZON, DIGITS, CourseRound, run_course

pytestmark = [pytest.mark.slow, pytest.mark.nightly]


@pytest.fixture
def configured(settings: Settings, database_url: str) -> Settings:
    return settings.model_copy(update={"database_url": SecretStr(database_url), "device": "cpu"})


def n_covered(course: list[CourseRound]) -> int:
    """Return in how many rounds the control arm's interval holds the evaluation accuracy."""
    return sum(
        low <= evaluation.value <= high
        for evaluation, (low, high) in ((r.evaluation, r.control.interval) for r in course)
    )


@pytest.mark.timeout(900)
def test_control_arm_covers_the_evaluation_accuracy_on_digits(
    session_factory: sessionmaker[Session], configured: Settings
) -> None:
    course = run_course(session_factory, configured, DIGITS)
    assert len(course) == 7
    assert {r.control.n for r in course} == {24}
    assert n_covered(course) >= 5


@pytest.mark.data
@pytest.mark.timeout(900)
def test_control_arm_covers_the_evaluation_accuracy_on_amazon_domains(
    session_factory: sessionmaker[Session], configured: Settings, real_data: Path
) -> None:
    assert real_data.is_dir()
    course = run_course(session_factory, configured, AMAZON)
    assert {r.control.n for r in course} == {150}
    assert n_covered(course) >= 7
    kappas = [r.kappa for r in course if r.kappa is not None]
    assert kappas[-1] > kappas[0]  # predictions settle
    assert course[-1].gain is not None
