"""A project on an experiment's data that nobody has labeled: for the person at the keyboard."""

from models.catalog import find_model
from svp_client import Client
from svp_client.types import Project
from workers.simulation.config import ExperimentConfig
from workers.simulation.data import load_data
from workers.simulation.imports import import_part

NAME = "Yours to label"
FIRST_ROUND, ROUND, LABELS = 30, 20, 500  # a person is through with a round in a minute
SEED = 1


def start_own_project(client: Client, experiment: ExperimentConfig) -> Project:
    """Start a project on the pool of the experiment's first seed; its rounds are short."""
    data = load_data(experiment.data, SEED)
    models = experiment.models
    project = client.create_project(
        name=NAME,
        modality=str(find_model(models["target"].model).modality),
        classes=data.classes,
        proxy=models["proxy"].choice,
        target=models["target"].choice,
        strategy="least_confidence",
        seed=SEED,
        initial_budget=FIRST_ROUND,
        round_budget=ROUND,
        total_budget=LABELS,
    )
    for split, part, is_labeled in (
        ("pool", data.pool, False),
        ("evaluation", data.evaluation, True),
    ):
        import_part(client, project["id"], split, part, data.classes, is_labeled=is_labeled)
    return client.start(project["id"])
