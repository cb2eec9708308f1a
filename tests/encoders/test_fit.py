"""Constants of the data inside encoders: from training samples only, before training, saved with the weights."""

import numpy as np
import pytest
import tiny
import torch

from gde.encoders.kernel_mean import KernelMean
from gde.encoders.pca_mean import PcaMean
from gde.errors import GdeError
from gde.model import GDE
from gde.sets.source import FIT_SAMPLES, training_samples
from gde.training import build_models

DIM, LATENT = 5, 3


def correlated(n, seed=0):
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.normal(size=(n, DIM)) @ rng.normal(size=(DIM, DIM)) + rng.normal(size=DIM)).float()


def test_pca_equals_that_of_scikit_learn():
    from sklearn.decomposition import PCA

    x, encoder = correlated(400), PcaMean(PcaMean.Options(components=3), dim=DIM, latent_dim=LATENT)
    encoder.fit(x)
    reference = PCA(3).fit(x.double().numpy())
    alike = np.abs((encoder.axes.numpy().T * reference.components_).sum(1))
    np.testing.assert_allclose(alike, 1, rtol=1e-5)
    np.testing.assert_allclose(encoder.centre, reference.mean_, rtol=1e-5, atol=1e-6)


def test_axes_are_ordered_and_their_signs_do_not_depend_on_the_samples_order():
    x, encoder, again = (
        correlated(400),
        PcaMean(PcaMean.Options(), dim=DIM, latent_dim=LATENT),
        PcaMean(PcaMean.Options(), dim=DIM, latent_dim=LATENT),
    )
    encoder.fit(x)
    again.fit(x.flip(0))
    torch.testing.assert_close(again.axes, encoder.axes, rtol=1e-4, atol=1e-5)
    variance = ((x - encoder.centre) @ encoder.axes).var(0)
    assert (variance.diff() < 0).all()


def test_the_number_of_components():
    assert PcaMean(PcaMean.Options(), dim=DIM, latent_dim=LATENT).axes.shape == (DIM, LATENT)
    assert PcaMean(PcaMean.Options(), dim=2, latent_dim=LATENT).axes.shape == (2, 2)
    with pytest.raises(GdeError, match=r"encoder.components: found 6, expected 1 to 5"):
        PcaMean(PcaMean.Options(components=6), dim=DIM, latent_dim=LATENT)
    with pytest.raises(GdeError, match=r"found 3 for 3 training samples"):
        PcaMean(PcaMean.Options(), dim=DIM, latent_dim=LATENT).fit(correlated(3))


@pytest.mark.parametrize("factor", [0.1, 1.0, 20.0])
def test_the_bandwidth_is_the_median_distance(factor):
    from scipy.spatial.distance import pdist

    x, encoder = factor * correlated(500), KernelMean(KernelMean.Options(), dim=DIM, latent_dim=LATENT)
    encoder.fit(x)
    assert 1 / encoder.scale.item() == pytest.approx(np.median(pdist(x.numpy())), rel=0.05)


@pytest.mark.parametrize("dim", [1, 2, 5, 100])
def test_the_bandwidth_before_fitting_is_that_of_standard_normal_samples(dim):
    fresh, fitted = (
        KernelMean(KernelMean.Options(), dim=dim, latent_dim=LATENT),
        KernelMean(KernelMean.Options(), dim=dim, latent_dim=LATENT),
    )
    fitted.fit(torch.randn(20_000, dim, generator=torch.Generator().manual_seed(0)))
    assert fresh.scale.item() == pytest.approx(fitted.scale.item(), rel=0.05)


def test_the_bandwidth_of_samples_that_are_mostly_equal():
    """Equal pairs say nothing of the scale; samples that are all equal have none."""
    x, encoder = torch.zeros(400, 2), KernelMean(KernelMean.Options(), dim=2, latent_dim=LATENT)
    x[:40, 0] = 3.0
    encoder.fit(x)
    assert encoder.scale.item() == pytest.approx(1 / 3)
    for same in (torch.ones(9, 2), torch.ones(1, 2)):
        with pytest.raises(GdeError, match=r"kernel_mean: found \d equal training samples"):
            encoder.fit(same)


@pytest.fixture(params=["pca_mean", "kernel_mean"])
def config(request):
    return tiny.experiment({"encoder": {"kind": request.param}})


def fitted(model):
    return {k: v for k, v in model.encoder.state_dict().items() if k in ("axes", "centre", "scale", "frequency")}


def test_training_fits_on_train_samples_and_the_model_file_has_the_result(config, cells_store, cells_h5ad, tmp_path):
    """Real cells: of all rows only those of the train split."""
    config = tiny.cells_experiment(cells_h5ad) | {"encoder": config["encoder"]}
    model, average = build_models(config, cells_store, tiny.CPU)
    x = training_samples(cells_store, config, device=tiny.CPU)
    assert len(x) >= FIT_SAMPLES / 2  # masks leave fewer
    train = {row.tobytes() for g in cells_store.select("train") for row in cells_store.read(g)}
    assert {row.tobytes() for row in x.numpy()} <= train
    kind = type(model.encoder)
    alone = kind(kind.Options(), dim=model.dim, latent_dim=model.latent_dim)
    if "frequency" in fitted(model):
        alone.frequency.copy_(model.encoder.frequency)
    alone.fit(model.standardise(x))
    model.save(tmp_path / "model")
    for other in (average, GDE.load(tmp_path / "model")):
        for name, value in fitted(other).items():
            assert torch.equal(value, fitted(model)[name])
            assert torch.equal(value, alone.state_dict()[name])


def test_fitting_depends_on_the_seed_alone(config, tmp_path):
    store = tiny.prepare(config, tmp_path / "sets")
    first, again, other = (fitted(build_models(config | {"seed": seed}, store, tiny.CPU)[0]) for seed in (0, 0, 1))
    fresh = fitted(GDE(config, mean=store.meta["mean"], scale=store.meta["scale"]))
    for name, value in first.items():
        assert torch.equal(value, again[name])
        assert not torch.equal(value, other[name])
        assert not torch.equal(value, fresh[name])
