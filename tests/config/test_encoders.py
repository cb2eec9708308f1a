"""Options of encoders that cannot be are refused with their value before anything is built."""

import pytest
from helpers import project, write

from gde.config import resolve
from gde.errors import GdeError


def resolved(tmp_path, encoder):
    project(tmp_path)
    write(tmp_path, "mine", f"dataset: {{kind: mvn}}\nencoder: {encoder}\n")
    return resolve("mine", {}, tmp_path)["encoder"]


@pytest.mark.parametrize(
    ("encoder", "message"),
    [
        ("{kind: gnn, pool: sum}", "encoder.pool: found 'sum'"),
        ("{kind: gnn, pool: trimmed_mean, pool_parameter: 0.5}", "found 0.5, expected the share to trim"),
        ("{kind: gnn, pool: trimmed_mean, pool_parameter: -0.1}", "found -0.1, expected the share to trim"),
        ("{kind: gnn, pool: huber, pool_parameter: 0.5}", "found 0.5, expected a delta of 0.7 or more"),
        ("{kind: gnn, pool: softmax, pool_parameter: 0.0}", "found 0.0, expected a positive number"),
        ("{kind: gnn, pool: logsumexp, pool_parameter: -2.0}", "found -2.0, expected a positive number"),
        ("{kind: gnn, pool: median, pool_parameter: 0.1}", "found 0.1, expected null with pool: median"),
        ("{kind: gnn, pool_parameter: 0.1}", "found 0.1, expected null with pool: mean"),
        ("{kind: attention, hidden: 10}", "encoder.heads: found 4, expected a divisor of hidden = 10"),
        ("{kind: attention, heads: 0}", "encoder.heads: found 0"),
        ("{kind: resnet_attention, heads: 3}", "encoder.heads: found 3, expected a divisor of hidden = 128"),
        ("{kind: attention, induced: -1}", "encoder.induced: found -1"),
        ("{kind: pca_mean, components: 0}", "encoder.components: found 0"),
        ("{kind: median_gnn, pool: mean}", "encoder.pool: found 'pool'"),
    ],
)
def test_impossible_options_are_refused(tmp_path, encoder, message):
    with pytest.raises(GdeError) as e:
        resolved(tmp_path, encoder)
    assert str(e.value).startswith("config/experiments/mine.yaml:2: encoder.")
    assert message in str(e.value)


@pytest.mark.parametrize(
    "encoder",
    [
        {"kind": "gnn", "pool": "trimmed_mean", "pool_parameter": 0.0},
        {"kind": "gnn", "pool": "huber", "pool_parameter": 0.7},
        {"kind": "gnn", "pool": "softmax", "pool_parameter": 0.01},
        {"kind": "attention", "hidden": 24, "heads": 8, "induced": 16},
        {"kind": "pca_mean", "components": 1},
    ],
    ids=lambda e: e["kind"],
)
def test_possible_options_are_kept(tmp_path, encoder):
    text = ", ".join(f"{k}: {v}" for k, v in encoder.items())
    assert resolved(tmp_path, f"{{{text}}}").items() >= encoder.items()
