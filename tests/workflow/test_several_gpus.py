"""What is said about several GPUs before any job starts."""

import pytest
from copies import SMOKE

pytestmark = pytest.mark.workflow


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            ["gpus=8"],
            "gde: mvn: training.shards: found 4, expected 8 or more, a part of the batch for each GPU",
        ),
        (
            ["nodes=2"],
            "gde: config/config.yaml: nodes: found 2, expected at most gpus = 1; raise gpus",
        ),
    ],
    ids=["more than parts of a batch", "more nodes than GPUs"],
)
def test_impossible_numbers(project, snakemake, settings, message):
    done = snakemake(project, "-n", "results/mvn/model", *SMOKE, *settings)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
