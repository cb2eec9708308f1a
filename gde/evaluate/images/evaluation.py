"""Evaluation on images: the geometry of mixtures of classes, and what is generated for held-out sets: of what classes,
how near to real images, and whether it is told which set it is of."""

from typing import Any

import numpy as np
import pandas as pd
import torch

from gde.evaluate.images.cases import Case, grid_shares, groups_apart, mixtures, random_shares
from gde.evaluate.images.classifier import Classifier, classes_of, train_classifier
from gde.evaluate.images.distances import energy_matrix, frechet
from gde.evaluate.images.pictures import picture_table
from gde.evaluate.shared.columns import group_names
from gde.evaluate.shared.context import Context, Results
from gde.evaluate.shared.distance_correlation import correlation, distances, pearson, spearman
from gde.evaluate.shared.embedding import embed_rows
from gde.evaluate.shared.generation import generate
from gde.evaluate.shared.likelihood import another
from gde.evaluate.shared.metrics import bootstrap, mean_interval, record
from gde.evaluate.shared.simplex_grid import CENTRE, simplex_grid
from gde.evaluate.shared.tables import LATENT, embedding_table
from gde.sets.families.multinomial import Multinomial

STATISTICS = {"pearson": pearson, "spearman": spearman}
COMPONENTS = 16  # of the features, in which covariances of some tens of images mean something
TRAINED = 64  # training sets whose mean embedding stands for none in particular
STRIP, STRIP_IMAGES = 7, 6  # steps from one class to another, images at each
SHOWN = 6  # sets of which images are shown


def evaluate(ctx: Context) -> Results:
    """Records and tables of held-out sets of images: random mixtures of three test classes where the experiment trains
    on mixtures, else test groups.

    Without replacement there are too few test images for sets of evaluation.points: mixtures draw with it.
    features/* : distances of generated to real images in the features of our own classifier (`classifier/accuracy`),
    which saw training images alone.   identity/rank : place of the set's own real images among those of all held-out
    sets, by energy distance from what was generated for it; 1 = nearest, chance .5.
    Baselines: `unconditional`, images of no set in particular (the null embedding where the generator was trained with
    one, else the mean embedding of training sets); `other_set`, those generated for another one; `training_images`,
    real ones of all classes. Ceiling: other real images of the set.
    """
    ctx = ctx.drawing("images")
    store, options, rng = ctx.store, ctx.options, ctx.rng
    classifier = train_classifier(ctx)
    mixed = ctx.config["mixer"] is not None
    metrics, tables = {}, {}
    groups = store.select(split="test")
    if mixed:
        share = random_shares(len(groups), options["sets"], rng)
        cases = mixtures(store, share, groups, options["points"], options["generated"], seed=ctx.seed)
        if len(groups) >= 3:
            metrics, tables["simplex"] = simplex(ctx, groups, classifier)
            tables["strip"] = strip(ctx, groups, classifier)
        else:
            ctx.leave_out("geometry/simplex", "fewer than three test classes")
    else:
        cases = groups_apart(store, options["points"], options["generated"], options["sets"], rng)
        for metric in ("geometry/simplex", "composition/class_error"):
            ctx.leave_out(metric, "no mixer: sets are groups")
    z = np.stack([embed_rows(ctx.model, store, case.context) for case in cases])
    found, own = generated(ctx, classifier, cases, z, groups)
    tables |= own
    metrics |= found
    if classifier.accuracy is not None:
        n, chance = classifier.tested, 1 / len(classifier.classes)
        metrics["classifier/accuracy"] = record(
            classifier.accuracy, n=n, higher_is_better=True, chance=chance, ceiling=1.0
        )
    else:
        ctx.leave_out("classifier/accuracy", "no test group is of a class that trains")
    commonest = [str(group_names(store)[groups[case.share.argmax()]]) for case in cases]
    names, sizes = [case.name for case in cases], [len(case.context) for case in cases]
    tables["embedding"] = embedding_table(z, group=names, label=commonest, part="target", sizes=sizes)
    return metrics, tables


def simplex(ctx: Context, groups: np.ndarray, classifier: Classifier) -> tuple[dict[str, dict], pd.DataFrame]:
    """Latent distances of the 55 mixtures of three classes against W2 in normal approximation between multinomial
    distributions of one trial, the published protocol; on test images, which the published number is not.

    Baselines of the same sets: means of pixels, and what needs labels, mean probabilities of the classifier.
    """
    store, rng, three = ctx.store, ctx.rng, np.arange(3)
    shares = grid_shares(len(groups), three)
    cases = mixtures(store, shares, groups, ctx.options["points"], 0, seed=ctx.seed)
    z, pixels, labels = [], [], []
    for case in cases:
        images = np.asarray(store.x[case.context])
        z.append(embed_rows(ctx.model, store, case.context))
        pixels.append(images.mean(0, dtype=np.float64).ravel())
        labels.append(classifier(images)[1].mean(0))
    truth = {"probability": torch.from_numpy(shares[:, three]).float()}
    matrices = {
        "latent_distance": distances(np.stack(z)),
        "w2": Multinomial(categories=3, trials=1).w2(truth).numpy(),
        "pixel_mean": distances(np.stack(pixels)),
        "class_probabilities": distances(np.stack(labels)),
    }
    metrics = {
        f"geometry/simplex_{name}": correlation(statistic, matrices, rng, repeats=ctx.repeats)
        for name, statistic in STATISTICS.items()
    }
    centre = int(np.flatnonzero((simplex_grid() == CENTRE).all(1))[0])
    table = pd.DataFrame(
        {f"p_{c + 1} [1]": shares[:, c] for c in three}
        | {f"latent_distance {LATENT}": matrices["latent_distance"][centre], "w2 [counts]": matrices["w2"][centre]}
    )
    return metrics, table.assign(**{f"name_{c + 1} [category]": str(group_names(store)[groups[c]]) for c in three})


def generated(
    ctx: Context, classifier: Classifier, cases: list[Case], z: np.ndarray, groups: np.ndarray
) -> tuple[dict[str, dict], dict[str, pd.DataFrame]]:
    """What is generated for each set, against its real images."""
    store, rng, repeats, n = ctx.store, ctx.rng, ctx.repeats, ctx.options["generated"]
    draw = ctx.generator("images/generated")
    made = [generate(ctx.model, one, n, draw) for one in z]
    free = generate(ctx.model, unconditional(ctx), n, draw)
    targets = [np.asarray(store.x[case.target]) for case in cases]
    (pooled,) = _training_rows(store, n, 1, rng)
    views = {
        "generated": [classifier(x) for x in made],
        "real": [classifier(x) for x in targets],
        "unconditional": [classifier(free)],
        "training_images": [classifier(np.asarray(store.x[pooled]))],
        "again": [classifier(np.asarray(store.x[case.context[:n]])) for case in cases],
    }
    feature = {name: [f for f, _ in parts] for name, parts in views.items()}
    other = another(len(cases), rng)
    energy = energy_matrix(feature["generated"], feature["real"])
    alone = {name: energy_matrix(feature[name], feature["real"])[0] for name in ("unconditional", "training_images")}
    real = energy_matrix(feature["again"], feature["real"])
    own = np.diag(energy)
    metrics = {
        "features/energy": record(
            own.mean(), n=len(cases), higher_is_better=False, ci=mean_interval(own, rng, repeats=repeats),
            baselines={name: value.mean() for name, value in alone.items()}
            | {"other_set": energy[other, np.arange(len(cases))].mean()},
            ceiling=np.diag(real).mean(),
        ),
        "features/frechet": _frechet(feature, other, rng, repeats),
        "identity/rank": record(
            ranks(energy).mean(), n=len(cases), higher_is_better=True,
            ci=bootstrap(lambda i: ranks(energy)[i].mean(), len(cases), rng, repeats=repeats),
            baselines={name: ranks(np.tile(value, (len(cases), 1))).mean() for name, value in alone.items()},
            chance=0.5, ceiling=ranks(real).mean(),
        ),
    }  # fmt: skip
    tables = {}
    if ctx.config["mixer"] is not None:
        metrics["composition/class_error"], tables["composition"] = composition(
            ctx, classifier, cases, {name: [p for _, p in parts] for name, parts in views.items()}, other, groups
        )
    shown = np.unique(np.linspace(0, len(cases) - 1, min(SHOWN, len(cases))).round().astype(int))
    sources = (("truth", targets), ("generated", made))
    pictures = [(cases[i].name, source, images[i]) for i in shown for source, images in sources]
    tables["pictures"] = picture_table(store.sample_type, pictures)
    return metrics, tables


def unconditional(ctx: Context) -> np.ndarray:
    """The embedding (l,) of no set in particular: the generator's null embedding, else the mean of training sets."""
    null = getattr(ctx.model.generator, "null", None)
    if null is not None:
        return null.detach().double().cpu().numpy()
    rows = _training_rows(ctx.store, ctx.config["training"]["set_size"], TRAINED, ctx.random("images/unconditional"))
    return np.stack([embed_rows(ctx.model, ctx.store, own) for own in rows]).mean(0)


def _training_rows(store: Any, n: int, sets: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Rows (n,) of training images, whatever their groups, for some sets."""
    groups = store.select(split="train")
    rows = np.concatenate([np.arange(store.starts[g], store.starts[g] + store.sizes[g]) for g in groups])
    return [np.sort(rng.choice(rows, n)) for _ in range(sets)]


def ranks(energy: np.ndarray) -> np.ndarray:
    """Place (s,) of the own set among s sets by distance (s, s), a row for what was generated: 1 = nearest, 0 =
    farthest; ties count half."""
    own = np.diag(energy)[:, None]
    before = (energy < own).sum(1) + ((energy == own).sum(1) - 1) / 2
    return 1 - before / (len(energy) - 1)


def _frechet(feature: dict[str, list[np.ndarray]], other: np.ndarray, rng: Any, repeats: int) -> dict[str, Any]:
    """Record of Fréchet distances in the first COMPONENTS principal components of real images' features."""
    pooled = np.concatenate(feature["real"])
    _, _, axes = np.linalg.svd(pooled - pooled.mean(0), full_matrices=False)
    view = {name: [x @ axes[:COMPONENTS].T for x in parts] for name, parts in feature.items()}
    s = range(len(view["real"]))
    own = np.array([frechet(view["generated"][i], view["real"][i]) for i in s])
    return record(
        own.mean(), n=len(own), higher_is_better=False, ci=mean_interval(own, rng, repeats=repeats),
        baselines={
            **{name: np.mean([frechet(view[name][0], view["real"][i]) for i in s])
               for name in ("unconditional", "training_images")},
            "other_set": np.mean([frechet(view["generated"][other[i]], view["real"][i]) for i in s]),
        },
        ceiling=np.mean([frechet(view["again"][i], view["real"][i]) for i in s]),
    )  # fmt: skip


def composition(
    ctx: Context,
    classifier: Classifier,
    cases: list[Case],
    probability: dict[str, list],
    other: np.ndarray,
    groups: Any,
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Classes of generated images, as the classifier tells them, against the mixture: total variation of shares.

    Ceiling: as many real images of the mixture, told by the same classifier.
    """
    of = [classifier.classes.index(name) for name in classes_of(ctx.store)[groups]]
    truth = np.zeros((len(cases), len(classifier.classes)))
    np.add.at(truth, (slice(None), of), np.stack([case.share for case in cases]))
    said = {
        name: np.stack([np.bincount(p.argmax(1), minlength=truth.shape[1]) / len(p) for p in parts])
        for name, parts in probability.items()
    }
    error = np.abs(said["generated"] - truth).sum(1) / 2
    variation = {name: (np.abs(value - truth).sum(1) / 2).mean() for name, value in said.items()}
    metric = record(
        error.mean(), n=len(cases), higher_is_better=False, ci=mean_interval(error, ctx.rng, repeats=ctx.repeats),
        baselines={name: variation[name] for name in ("unconditional", "training_images")}
        | {"other_set": (np.abs(said["generated"][other] - truth).sum(1) / 2).mean()},
        ceiling=variation["real"],
    )  # fmt: skip
    shown = [(i, c) for i in range(len(cases)) for c in range(truth.shape[1]) if truth[i, c] or said["generated"][i, c]]
    table = pd.DataFrame(
        {
            "set": [i for i, _ in shown],
            "label": [classifier.classes[c] for _, c in shown],
            "truth [share of images]": [truth[i, c] for i, c in shown],
            "generated [share of images]": [said["generated"][i, c] for i, c in shown],
            "real [share of images]": [said["real"][i, c] for i, c in shown],
        }
    )
    return metric, table


def strip(ctx: Context, groups: np.ndarray, classifier: Classifier) -> pd.DataFrame:
    """Images generated along the line between the embeddings of the first two test classes."""
    store, draw = ctx.store, ctx.generator("images/strip")
    ends = mixtures(store, np.eye(len(groups))[:2], groups, ctx.options["points"], 0, seed=ctx.seed)
    a, b = (embed_rows(ctx.model, store, case.context) for case in ends)
    steps = [(t, generate(ctx.model, (1 - t) * a + t * b, STRIP_IMAGES, draw)) for t in np.linspace(0, 1, STRIP)]
    names = [str(name) for name in group_names(store)[groups[:2]]]
    table = picture_table(store.sample_type, [(f"{t:.2f}", "generated", x) for t, x in steps])
    return table.assign(**{"first [category]": names[0], "second [category]": names[1]})
