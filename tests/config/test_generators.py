"""Options of generators that cannot be are refused with their value before anything is built."""

import pytest
from helpers import project, write

from gde.config import resolve
from gde.errors import GdeError


def resolved(tmp_path, generator, dataset="{kind: mvn}"):
    project(tmp_path)
    write(tmp_path, "mine", f"dataset: {dataset}\ngenerator: {generator}\n")
    return resolve("mine", {}, tmp_path)["generator"]


@pytest.mark.parametrize(
    ("generator", "message"),
    [
        ("{kind: sliced_w2, projections: 0}", "generator.projections: found 0"),
        ("{kind: sliced_w2, noise_dim: 0}", "generator.noise_dim: found 0"),
        ("{kind: exact_ot, moment_weight: -1.0}", "generator.moment_weight: found -1.0"),
        ("{kind: exact_ot, affine: true, noise_dim: 1}", "found 1, expected at least dataset.dim = 2 with affine"),
        ("{kind: exact_ot, affine: true, noise_dim: 1}", "raise it or set generator.affine: false"),
        ("{kind: sinkhorn, blur: 0.0}", "generator.blur: found 0.0"),
        ("{kind: mmd, layers: 0}", "generator.layers: found 0"),
        ("{kind: cvae, beta: -1.0}", "generator.beta: found -1.0"),
        ("{kind: cvae, warmup: -1}", "generator.warmup: found -1"),
        ("{kind: cvae, code_dim: 0}", "generator.code_dim: found 0"),
        ("{kind: ddpm_subset, features: 0}", "generator.features: found 0"),
        ("{kind: ddpm_subset, guidance: 2.0}", "generator.guidance: found 2.0, expected 1 when drop is 0"),
        ("{kind: wormhole, points: 0}", "generator.points: found 0"),
        ("{kind: wormhole, heads: 3}", "generator.heads: found 3, expected a divisor of hidden = 128"),
        ("{kind: wormhole, pair_weight: -0.5}", "generator.pair_weight: found -0.5"),
        ("{kind: wormhole, blur: -1.0}", "generator.blur: found -1.0"),
    ],
)
def test_impossible_options_are_refused(tmp_path, generator, message):
    with pytest.raises(GdeError) as e:
        resolved(tmp_path, generator)
    assert str(e.value).startswith("config/experiments/mine.yaml:2: generator.")
    assert message in str(e.value)


@pytest.mark.parametrize("generator", ["{kind: sliced_w2}", "{kind: sliced_w2, affine: true, noise_dim: 40}"])
def test_noise_must_reach_every_feature_only_with_affine(tmp_path, generator):
    assert resolved(tmp_path, generator, "{kind: mvn, dim: 40, df: 60}")["kind"] == "sliced_w2"
