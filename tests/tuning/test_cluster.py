"""What fits on a cluster. That Ray itself starts and ends well, tests/e2e sees."""

from __future__ import annotations

from pathlib import Path

import pytest

from lmtune.errors import ResourceError
from lmtune.spec.sweep import Resources
from lmtune.tuning.cluster import Cluster


def make_cluster(cpus: float, gpus: float = 0) -> Cluster:
    return Cluster(dashboard_url=None, token_file=Path("token"), num_cpus=cpus, num_gpus=gpus)


@pytest.mark.parametrize(
    ("cpus", "gpus", "resources", "slots"),
    [
        (8, 0, {"cpu": 1}, 8),
        (8, 0, {"cpu": 3}, 2),
        (8, 0, {"cpu": 1, "max_concurrent": 5}, 5),
        (2, 0, {"cpu": 1, "max_concurrent": 5}, 2),
        (8, 2, {"cpu": 1, "gpu": 1}, 2),
        (8, 1, {"cpu": 1, "gpu": 0.25}, 4),
        (2, 1, {"cpu": 1, "gpu": 0.1}, 2),
        (16, 8, {"cpu": 2, "gpu": 4}, 2),
    ],
)
def test_slots_when_counted_are_what_fits(
    cpus: float, gpus: float, resources: dict[str, float], slots: int
) -> None:
    asked = Resources.model_validate(resources)
    assert make_cluster(cpus, gpus).num_slots(asked) == slots


@pytest.mark.parametrize("resources", [{"cpu": 3}, {"cpu": 1, "gpu": 1}, {"cpu": 1, "gpu": 0.5}])
def test_slots_when_not_one_trial_fits_are_refused(resources: dict[str, float]) -> None:
    with pytest.raises(ResourceError, match="the cluster has 2 and 0") as refused:
        make_cluster(2).num_slots(Resources.model_validate(resources))
    assert "--set" in refused.value.problems[0].fix
