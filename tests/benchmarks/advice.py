"""Prints the stopping advice round by round on real data, as JSON and as a table.

    python -m tests.benchmarks.advice digits --out docs/results/advice/digits.json

Real services and jobs in one process on an embedded Postgres; the annotator knows the true classes.
"""

import argparse
import json
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from sqlalchemy.orm import Session, sessionmaker

from app.config import Settings
from app.db.embedded import EmbeddedPostgres
from app.db.migrate import migrate
from app.db.queries import projects
from app.db.session import make_engine, make_session_factory, transaction
from app.db.tables import Split
from app.domain.learning_curve import Gain, Share
from app.services.advice import read_advice
from app.services.budget import n_next_batch
from app.services.projects import ModelChoice
from models.catalog import find_model
from models.data.arrays import Images
from tests.projects import Data, ServedProject, png
from workers.simulation.config import DataConfig
from workers.simulation.data import load_data


@dataclass(frozen=True)
class Setup:
    """A data set, its proxy, and the budgets; a share of each batch is control arm."""

    data: DataConfig
    model: ModelChoice
    round_budget: int
    n_rounds: int
    control_fraction: float = 0.3


DIGITS = Setup(
    DataConfig(name="digits", n_pool=1300, n_evaluation=497),
    ModelChoice(
        "preact8",
        {
            "epochs": 12,
            "minibatch": 32,
            "learning_rate": 0.05,
            "crop_padding": 1,
            "horizontal_flip": False,
        },
    ),
    round_budget=80,
    n_rounds=7,
)
AMAZON = Setup(
    DataConfig(name="amazon-domains"), ModelChoice("fasttext"), round_budget=500, n_rounds=10
)


@dataclass(frozen=True)
class CourseRound:
    """The evidence that the advice had when the round's batch was labeled."""

    number: int
    n_labeled: int
    evaluation: Share
    control: Share
    kappa: float | None
    gain: Gain | None
    verdict: str


def run_course(
    factory: sessionmaker[Session], settings: Settings, setup: Setup
) -> list[CourseRound]:
    """Return what the advice says in each round with a proxy, in order."""
    data, n_pool, n_evaluation = _read(setup)
    budget = setup.round_budget
    project = ServedProject(
        factory,
        settings,
        data,
        initial_budget=budget,
        round_budget=budget,
        total_budget=budget * (setup.n_rounds + 2),
        reserve=0,
        selection={"control_fraction": setup.control_fraction},
    )
    project.add(range(n_pool))
    project.add(range(n_evaluation), Split.EVALUATION)
    project.start()
    project.do_job()
    project.label(budget)
    rounds = []
    for _ in range(setup.n_rounds):
        project.do_job()
        project.label(budget)
        rounds.append(_newest(project))
    return rounds


def _newest(project: ServedProject) -> CourseRound:
    with transaction(project.factory) as session:
        row = projects.get(session, project.id)
        found = read_advice(session, row, n_next_batch(session, row))
    newest = found.rounds[-1]
    assert newest.evaluation is not None
    assert newest.control is not None
    return CourseRound(
        newest.round_.number,
        newest.model.n_labeled,
        newest.evaluation,
        newest.control,
        newest.stability.get("kappa"),
        found.gain,
        found.advice.verdict,
    )


def _read(setup: Setup) -> tuple[Data, int, int]:
    """Return the data set as items, and how many the pool and the evaluation split have."""
    read = load_data(setup.data, seed=0)
    parts = {Split.POOL: read.pool, Split.EVALUATION: read.evaluation}

    def content(split: Split, i: int) -> dict[str, Any]:
        found = parts[split].content
        if isinstance(found, Images):
            return {"image": png(found.pixels[i, ..., 0])}
        return {"text": found[i]}

    data = Data(
        find_model(setup.model.model).modality or "text",
        read.classes,
        content,
        lambda split, i: int(parts[split].labels[i]),
        setup.model,
    )
    return data, len(read.pool), len(read.evaluation)


def _as_row(r: CourseRound) -> str:
    evaluation, control = (
        f"{share.value:.1%} ({share.interval[0]:.1%} to {share.interval[1]:.1%})"
        for share in (r.evaluation, r.control)
    )
    kappa = "-" if r.kappa is None else f"{r.kappa:.3f}"
    gain = (
        "-" if r.gain is None else f"{r.gain.expected:.2%} ({r.gain.low:.2%} to {r.gain.high:.2%})"
    )
    cells = (str(r.number), str(r.n_labeled), evaluation, control, kappa, gain, r.verdict)
    return f"| {' | '.join(cells)} |"


HEAD = (
    "| round | labels | evaluation | control arm | kappa | expected gain | advice |\n"
    "| --- | --- | --- | --- | --- | --- | --- |"
)


def main() -> None:
    """Run one setup and write what it gave."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("setup", choices=["digits", "amazon-domains"])
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    setup = {"digits": DIGITS, "amazon-domains": AMAZON}[arguments.setup]
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        server = EmbeddedPostgres(Path(folder) / "postgres")
        url = server.start()
        engine = make_engine(url)
        migrate(engine)
        settings = Settings(
            data_folder=Path(folder) / "data", database_url=SecretStr(url), device="cpu"
        )
        course = run_course(make_session_factory(engine, lambda *_: None), settings, setup)
        engine.dispose()
        server.stop()
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps([asdict(r) for r in course], indent=1) + "\n")
    print("\n".join([HEAD, *map(_as_row, course)]))


if __name__ == "__main__":
    main()
