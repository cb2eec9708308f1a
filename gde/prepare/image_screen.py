"""A simulated optical pooled screen: pictures of cells with planted complexes of genes, controls, plates and wells."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from gde.prepare.common.image_store import write_images
from gde.prepare.common.nuclei import CHANNELS, TRAITS, draw_cells
from gde.sets.random import seed_of

CONTROL = "control"  # the complex of genes without an effect
QUANTILES = (0.01, 0.999)
AT_ONCE = 2048  # cells drawn together
TILE = 2960  # pixels on a side, in which cells have places


def layout(cfg: dict) -> pd.DataFrame:
    """The groups: cells of a guide in a well. Columns group, split, size, gene, guide, complex, plate, well.

    With wells_random every well holds every guide; without, a complex has one well of each plate for its own, so that
    what a well does to its pictures is taken for what the complex does. Controls are in every well. The last plates
    test, those before them validate.
    """
    genes = [(f"G{c + 1:02d}{'ABCDEFGHIJ'[m]}", f"C{c + 1:02d}", c) for c in range(cfg["complexes"])
             for m in range(cfg["members"])]  # fmt: skip
    genes += [(f"NULL{i + 1:02d}", CONTROL, None) for i in range(cfg["null_genes"])]
    train = cfg["plates"] - cfg["validation_plates"] - cfg["test_plates"]
    split = ["train"] * train + ["validation"] * cfg["validation_plates"] + ["test"] * cfg["test_plates"]
    rows = [
        {
            "group": f"{gene}_{g + 1}|P{p + 1}|W{w + 1}",
            "split": split[p],
            "size": cfg["cells"],
            "gene": gene,
            "guide": f"{gene}_{g + 1}",
            "complex": complex_,
            "plate": f"P{p + 1}",
            "well": f"P{p + 1}W{w + 1}",
        }
        for p in range(cfg["plates"])
        for w in range(cfg["wells"])
        for gene, complex_, c in genes
        if cfg["wells_random"] or c is None or c % cfg["wells"] == w
        for g in range(cfg["guides"])
    ]
    return pd.DataFrame(rows)


def planted(cfg: dict, groups: pd.DataFrame, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What is done to the cells of each group: the effect of its gene (g, 7), the efficacy of its guide (g,), and what
    plate and well do (g, 4); in standard deviations of cells.

    A gene's effect is that of its complex, and one of its own, smaller by `spread`. Controls have none. Plates and
    wells have effects of the same variance each, together `batch`².
    """
    complexes, genes = sorted(groups["complex"].unique()), groups.drop_duplicates("gene")
    shared = dict(zip(complexes, cfg["effect"] * rng.standard_normal((len(complexes), len(TRAITS))), strict=True))
    own = cfg["effect"] * cfg["spread"] * rng.standard_normal((len(genes), len(TRAITS)))
    effect = {
        gene: np.zeros(len(TRAITS)) if complex_ == CONTROL else shared[complex_] + own[i]
        for i, (gene, complex_) in enumerate(zip(genes["gene"], genes["complex"], strict=True))
    }
    guides, plates, wells = (list(dict.fromkeys(groups[name])) for name in ("guide", "plate", "well"))
    efficacy = dict(zip(guides, rng.uniform(cfg["efficacy"], 1, len(guides)), strict=True))
    of_plate, of_well = (
        dict(zip(names, cfg["batch"] / 2**0.5 * rng.standard_normal((len(names), 4)), strict=True))
        for names in (plates, wells)
    )
    return (
        np.stack([effect[name] for name in groups["gene"]]),
        np.array([efficacy[name] for name in groups["guide"]]),
        np.stack([of_plate[p] + of_well[w] for p, w in zip(groups["plate"], groups["well"], strict=True)]),
    )


def prepare(cfg: dict, out: Path, *, name: str, seed: int, provenance: dict | None = None) -> None:
    """Write the store of dataset `name` at `out` from cfg (kind image_screen), in constant memory.

    groups : as `layout`.   truth : effect (g, 7) of the group's gene, in standard deviations of cells; efficacy (g,) of
    its guide.   samples : row and column of each cell in its tile.   meta["screen"] names the columns.
    """
    groups = layout(cfg)
    rng = np.random.default_rng(seed_of(seed, "screen"))
    effect, efficacy, batch = planted(cfg, groups, rng)
    group = np.repeat(np.arange(len(groups)), groups["size"])
    place = pd.DataFrame(rng.uniform(0, TILE, (len(group), 2)), columns=["row", "column"])

    def blocks() -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        for start in range(0, len(group), AT_ONCE):
            of = group[start : start + AT_ONCE]
            trait = efficacy[of, None] * effect[of] + rng.standard_normal((len(of), len(TRAITS)))
            yield draw_cells(trait, batch[of], cfg["size"], rng), of, np.arange(start, start + len(of))

    names = ["gene", "guide", "plate", "well"]
    meta = {
        "name": name,
        "kind": cfg["kind"],
        "data": "simulated",
        "groupby": ["guide", "well"],
        "labels": ["gene", "complex", "plate"],
        "screen": {key: key for key in names} | {"relation": "complex", "control": {"complex": CONTROL}},
        "traits": list(TRAITS),
        "split": {"by": "plate"},
        "tile": TILE,
    }
    truth = {"effect": torch.from_numpy(effect), "efficacy": torch.from_numpy(efficacy)}
    write_images(
        out, groups, blocks(), shape=(len(CHANNELS), cfg["size"], cfg["size"]), dtype="uint16", meta=meta, seed=seed,
        channels=list(CHANNELS), quantiles=QUANTILES, samples=place, truth=truth, provenance=provenance,
    )  # fmt: skip
