"""Runs are compared with the paper's figures only at the paper's settings."""

import pytest

from workers.simulation.load import bundled, load_experiment
from workers.simulation.paper_scale import is_paper_scale

AL, CORE, STUDY = "cifar10-least-confidence", "cifar10-core-sets", "cifar10-correlations"


REPEATING = [
    name
    for name, experiment in bundled().items()
    if experiment.paper is not None and not name.endswith("-small")
]


@pytest.mark.parametrize("name", REPEATING)
def test_what_repeats_the_paper_is_at_its_scale(name: str) -> None:
    experiment = bundled()[name]
    assert is_paper_scale(experiment, [experiment.data.name])


@pytest.mark.parametrize("name", sorted(set(bundled()) - set(REPEATING)))
def test_nothing_else_is(name: str) -> None:
    experiment = bundled()[name]
    assert not is_paper_scale(experiment, [experiment.data.name])


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, experiment in bundled().items()
        if experiment.paper and experiment.paper.table and not name.endswith("-small")
    ],
)
def test_what_repeats_a_table_keeps_the_best_epoch_that_the_paper_prints(name: str) -> None:
    assert bundled()[name].traps.report_best_epoch


@pytest.mark.parametrize("name", ["least-confidence", "core-sets"])
@pytest.mark.parametrize(("data", "of_target"), [("polarity", "conv"), ("full", "max_pool")])
def test_vdcnn29_halves_as_the_published_commands_say(name: str, data: str, of_target: str) -> None:
    models = bundled()[f"amazon-{data}-{name}"].models
    assert models["target"].model == "vdcnn29"
    assert models["target"].resolved.downsampling == of_target
    assert models["vdcnn9"].resolved.downsampling == "max_pool"


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("amazon-polarity-core-sets", "models.target.recipe={name='paper'}"),
        (AL, "data.n_pool=49999"),
        (AL, "data.n_evaluation=9000"),
        (AL, "budgets.round_budget=4000"),
        (AL, "budgets.first_round_budget=5000"),
        (AL, "models.target.recipe={name='fast'}"),
        (AL, "models.resnet20.recipe.epochs=50"),
        (AL, "models.resnet20.model=preact14"),
        (AL, "arms.resnet20.strategy=margin"),
        (AL, "oracle.noise=0.1"),
        (AL, "selection.control_fraction=0.1"),
        (CORE, "fractions=[0.3, 0.6]"),
        (CORE, "arms.k-centers-resnet20.initial_uniform=500"),
        (CORE, "arms.entropy-resnet20.class_balance=true"),
        (STUDY, "models.preact8.recipe.epochs=20"),
        (STUDY, "initial_uniform=100"),
    ],
)
def test_a_changed_setting_is_not_the_papers(name: str, change: str) -> None:
    assert not is_paper_scale(load_experiment(name, [change]), [load_experiment(name).data.name])


@pytest.mark.parametrize("change", ["seeds=[7]", "title=mine", "arms={target={selector='target'}}"])
def test_seeds_titles_and_fewer_arms_leave_the_scale(change: str) -> None:
    assert is_paper_scale(load_experiment(AL, [change]), ["cifar10"])


def test_modified_files_are_never_at_its_scale() -> None:
    assert not is_paper_scale(load_experiment(AL), ["cifar10", "cifar10 (modified)"])
