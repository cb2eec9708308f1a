"""Do the synthetic experiments reach their goals within the training budget?

python benchmarks/quality.py [gmm mvn5 ...] [--quick] [--seeds 0 1 2] [--results results]

Takes results/<experiment>/metrics.json where it is there and of the laptop preset's training; else prepares, trains and
evaluates in a temporary directory. The goals are those of 120 s of training on two cores.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

from gde.config import resolve, training_slice
from gde.files.io import read_json

ROOT = Path(__file__).resolve().parents[1]
GOALS = {  # metric: (at least or at most, goal)
    "mvn5": {"reconstruction/paper_metric": ("<=", 0.008), "reconstruction/w2": ("<=", 0.020)},
    "gmm5": {"reconstruction/paper_metric": ("<=", 2.2), "reconstruction/paper_metric_strict": ("<=", 1.6)},
    "mvn": {
        "geometry/w2_spearman": (">=", 0.997),
        "geometry/w2_spearman_equal_means": (">=", 0.97),
        "geometry/w2_spearman_nearest": (">=", 0.97),
        "geometry/geodesic_deviation": ("<=", 0.005),
    },
    "gmm": {"geometry/w2_spearman": (">=", 0.975), "geometry/exact_w2_spearman": (">=", 0.985)},
    "multinomial": {"geometry/simplex_pearson": (">=", 0.985)},
    "poisson": {  # of the Rao-Blackwell and of the naive estimator under this distribution of rates
        "poisson/mse_n10": ("<=", "rao_blackwell"),
        "poisson/mse_n100": ("<=", "rao_blackwell"),
        "poisson/mse_n1000": ("<=", "naive"),
        "poisson/mse_n10000": ("<=", "naive"),
    },
}
TRAINING_SECONDS = 120


def resolved(name: str, preset: str, seed: int) -> dict[str, Any]:
    config = {"experiments": [name], "preset": preset, "seed": seed, "accelerator": "cpu"}
    return resolve(name, config, ROOT)


def finished(results: Path, config: dict[str, Any]) -> dict[str, Any] | None:
    """The metrics of a finished workflow, if they are of exactly this training."""
    folder = results / config["name"]
    metrics, model = folder / "metrics.json", folder / "model" / "config.json"
    if not (metrics.is_file() and model.is_file()):
        return None
    report, trained = read_json(metrics), read_json(model)
    return report if report["run"] == trained["run"] and training_slice(trained) == training_slice(config) else None


def make(config: dict[str, Any], directory: Path) -> dict[str, Any]:
    """Prepare, train and evaluate; the content of metrics.json."""
    from gde.cli.train_run import train_run
    from gde.evaluate import run
    from gde.prepare import prepare_of

    sets, model, metrics = directory / "sets", directory / config["name"] / "model", directory / "metrics.json"
    prepare_of(config["dataset"]["kind"])(config["dataset"], sets, name=config["name"], seed=config["seed"])
    train_run(config, sets, directory / "runs", model, accelerator="cpu")
    run(model, sets, config, metrics, directory / "tables")
    return read_json(metrics)


def judge(value: float, relation: str, goal: float) -> str:
    return "met" if (value >= goal if relation == ">=" else value <= goal) else "missed"


def show(report: dict[str, Any], goals: dict[str, tuple[str, float | str]]) -> None:
    """Print each goal, a number or the name of a baseline, beside the value, its interval and its baselines."""
    for metric, (relation, goal) in goals.items():
        m = report["metrics"][metric]
        goal = m["baselines"][goal] if isinstance(goal, str) else goal
        low, high = m["ci"] or (float("nan"),) * 2
        baselines = ", ".join(f"{k} {v:.4g}" for k, v in m["baselines"].items())
        verdict = judge(m["value"], relation, goal)
        print(
            f"  {metric}: {m['value']:.4g} [{low:.4g}, {high:.4g}], goal {relation} {goal:.4g}: {verdict} "
            f"({m['protocol']}; n {m['n']}; published {m['published']}; {baselines})"
        )
    seconds = report["budget"]["seconds"]
    print(
        f"  training: {seconds:.0f} s, goal <= {TRAINING_SECONDS}: {judge(seconds, '<=', TRAINING_SECONDS)}", flush=True
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiments", nargs="*", default=list(GOALS), help=f"default: {' '.join(GOALS)}")
    parser.add_argument("--quick", action="store_true", help="smoke preset: does it run?")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--results", type=Path, default=ROOT / "results", help="finished results that may be read")
    options = parser.parse_args()
    for name in options.experiments:
        for seed in options.seeds:
            config = resolved(name, "smoke" if options.quick else "laptop", seed)
            report, source = finished(options.results, config), "finished results"
            if report is None:
                source = "trained here"
                with tempfile.TemporaryDirectory() as directory:
                    report = make(config, Path(directory))
            print(f"{name}, seed {seed} ({source}, {report['budget']['steps']} steps)")
            every = {
                m: (">=" if v["higher_is_better"] else "<=", float("nan"))
                for m, v in report["metrics"].items()
                if v["higher_is_better"] is not None
            }
            show(report, GOALS.get(name) or every)


if __name__ == "__main__":
    main()
