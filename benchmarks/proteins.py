"""Are the answers found that were planted in simulated epidemics, families and abstracts? Exit status 1 when not all.

python benchmarks/proteins.py [--quick] [--only excerpt epidemic epidemic_lm families motifs documents] [--seeds 0]

The experiments are those of config/experiments, preset laptop, of simulated files in the layout of the releases
(`tests/simulators`), and of an excerpt of real spike proteins in GISAID's layout where there is one. Goals:

excerpt      in no month is the share of D614G among generated spikes more than .1 off that among the real ones
epidemic     24 months, 12 countries: the month of held-out sets is read with a smaller error than from the mean counts
             of words, and the shares of mutations that are generated correlate with the real ones by .95
epidemic_lm  the same behind a small ESM-2 of random weights, frozen: months are read better than from its mean vector
families     held-out families are found again as often as by frequencies of words
motifs       distances follow those of the simplex as well as those of frequencies of words
documents    nine in ten of the topics that weighted words find
"""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))  # simulators

from planted import Goals, parsed, prepared, report, trained

from gde.config import resolve
from gde.evaluate.epidemic import evaluation as epidemic
from gde.evaluate.sequences import documents
from gde.evaluate.sequences import protein_families as families
from gde.evaluate.simulated import patterns

ROOT = Path(__file__).resolve().parents[1]
EXCERPT = Path("spike/spikeprot0430.fasta")  # under GDE_TEST_DATA


def world(name: str, evaluate: Callable, root: Path, options: argparse.Namespace, **sections: Any):
    """Metrics and tables of an experiment of config/experiments after `sections` were laid on it."""
    training = {"torch_threads": 2, "tensorboard": False} | sections.pop("training", {})
    if options.steps is not None:
        training["steps"] = options.steps
    config = {"preset": "smoke" if options.quick else "laptop", "seed": options.seed, "accelerator": "cpu"}
    config = resolve(name, config | {name: sections | {"training": training}}, ROOT)
    return trained(config, prepared(config, root), evaluate, root)


def of_excerpt(root: Path, options: argparse.Namespace) -> Goals:
    """291 spikes by month, all of which train: too few to hold any out."""
    path = Path(os.environ.get("GDE_TEST_DATA", ROOT.parent / "shared/data")) / EXCERPT
    if not path.is_file():
        sys.exit(f"{path}: not there; expected an excerpt of spikes; set GDE_TEST_DATA, or leave it out with --only")
    _, tables = world(
        "virus", epidemic.evaluate, root, options,
        dataset={"source": "gisaid", "sequences": str(path), "groupby": ["month"], "min_size": 3, "last_months": 0,
                 "split": {"by": "sample", "fractions": [0.8, 0.1, 0.1]}},
        mixer={"kind": "dirichlet_k", "k": 2, "alpha": 0.3},  # six groups: more sets of a single month
        training={"validate_every": 10**6},  # 33 sequences for validation choose a step by chance: the last counts
        evaluation={"keys": "all", "least": 3, "generated": 10 if options.quick else 400},
    )  # fmt: skip
    shares = tables["sweeps"].query("label == 'D614G'")
    shares = shares.pivot(index="month [months]", columns="source", values="share [share of sequences]")
    print(shares.round(3).to_string())
    return [("D614G, largest difference of a month", (shares["generated"] - shares["real"]).abs().max(), "<=", 0.1)]


def epidemic_file(root: Path, options: argparse.Namespace) -> dict[str, Any]:
    from simulators.spike_files import write_gisaid
    from simulators.spikes import simulate_epidemic

    size = {"months": 8, "countries": 4} if options.quick else {"months": 24, "countries": 12, "per_key": 40.0}
    write_gisaid(simulate_epidemic(**size, seed=options.seed), root / "spikes.fasta", seed=options.seed)
    return {"source": "gisaid", "sequences": str(root / "spikes.fasta")}


def of_epidemic(root: Path, options: argparse.Namespace) -> Goals:
    metrics, _ = world("virus", epidemic.evaluate, root, options, dataset=epidemic_file(root, options))
    goals = [ahead(metrics, "month/mae", "kmers", "months")]
    for name in ("sweeps/pearson", "month/mae_future", "sweeps/error_future"):
        show(name, metrics[name])
    return [*goals, ("shares of mutations, correlation", metrics["sweeps/pearson"]["value"], ">=", 0.95)]


def of_epidemic_lm(root: Path, options: argparse.Namespace) -> Goals:
    from published import esm2

    esm2(root / "esm2", hidden=32, heads=4)
    encoder = {"kind": "protein_lm", "weights": str(root / "esm2"), "mode": "frozen", "then": {"kind": "attention"}}
    os.environ["GDE_LM_CACHE"] = str(root / "cache")
    metrics, _ = world("virus", epidemic.evaluate, root, options, dataset=epidemic_file(root, options), encoder=encoder)
    return [ahead(metrics, "month/mae", "lm_mean", "months")]


def of_families(root: Path, options: argparse.Namespace) -> Goals:
    from simulators.families import simulate_families

    count = {"families": 40} if options.quick else {"families": 800, "length": 120, "mutated": 0.5}
    simulate_families(root / "Pfam-A.fasta.gz", **count, seed=options.seed)
    metrics, _ = world("pfam", families.evaluate, root, options, dataset={"path": str(root / "Pfam-A.fasta.gz")})
    return [ahead(metrics, "retrieval/recall_1", "kmers", "families"), likelier(metrics, "likelihood/token")]


def of_motifs(root: Path, options: argparse.Namespace) -> Goals:
    metrics, _ = world("protein_motifs", patterns.evaluate, root, options)
    return [ahead(metrics, "geometry/simplex_pearson", "kmer_mean", "simplex"), likelier(metrics, "likelihood/token")]


def of_documents(root: Path, options: argparse.Namespace) -> Goals:
    from simulators.pubmed import simulate_baseline

    count = {} if options.quick else {"topics": 60, "documents": 150}
    simulate_baseline(**count, seed=options.seed).write(root / "files")
    metrics, _ = world(
        "pubmed", documents.evaluate, root, options, dataset={"files": [str(root / "files" / "*.xml.gz")]}
    )
    return [ahead(metrics, "retrieval/recall_1", "tf_idf", "topics", 0.9), likelier(metrics, "likelihood/byte")]


def show(name: str, metric: dict[str, Any]) -> None:
    """A line with the value, its interval, the baselines and the ceiling."""
    beside = metric["baselines"] | ({} if metric["ceiling"] is None else {"ceiling": metric["ceiling"]})
    interval = "[{:.4g}, {:.4g}]".format(*metric["ci"]) if metric["ci"] else ""
    print(f"{name} {metric['value']:.4g} {interval}", ", ".join(f"{k} {v:.4g}" for k, v in beside.items()))


def ahead(metrics: dict[str, dict], name: str, baseline: str, what: str, share: float = 1.0) -> tuple:
    """A metric, and a share of a baseline's value as its goal."""
    metric = metrics[name]
    show(name, metric)
    sign = ">=" if metric["higher_is_better"] else "<="
    return f"{what}: {name}", metric["value"], sign, share * metric["baselines"][baseline]


def likelier(metrics: dict[str, dict], name: str) -> tuple:
    """Held-out residues, beside the best Markov chain and the embedding of another set."""
    metric = metrics[name]
    show(name, metric)
    return name, metric["value"], ">=", np.max(list(metric["baselines"].values()))


WORLDS = {
    "excerpt": of_excerpt,
    "epidemic": of_epidemic,
    "epidemic_lm": of_epidemic_lm,
    "families": of_families,
    "motifs": of_motifs,
    "documents": of_documents,
}


def main(argv: list[str] | None = None) -> int:
    options = parsed(__doc__, WORLDS, argv, steps=None)
    return report(WORLDS, options)


if __name__ == "__main__":
    sys.exit(main())
