"""The model card: what a model was trained on, how, how well it does, and what it must not be used for."""

from pathlib import Path
from typing import Any

import yaml

from gde.config.words import baseline_words, metric_words
from gde.files.io import atomic_path, read_json, verify_file
from gde.files.seals import SEAL_TEXT, read_sealed_json, seal
from gde.runs.document import Block, markdown

ORIGIN = {
    "simulated": "simulated by this workflow from the distribution below",
    "release": "the data set as published (recognised by its digest)",
    "excerpt": "an excerpt of a published data set (recognised by its digest); not comparable to published numbers",
    "user": "a file of the user; see its own licence and terms",
}
BUDGET, MADE = "Budget:", "Made with"
VARIABLE = (BUDGET, MADE)  # begin the lines that differ between equal runs
METHODS = (
    "Sets of samples were encoded by a permutation-invariant {encoder} encoder into {latent_dim} dimensions and "
    "generated back by a {generator} model conditioned on the embedding; both were trained together for {steps} steps "
    "of {n_sets} sets of {set_size} samples (generative distribution embeddings, Fishman et al., arXiv 2505.18150), "
    "with gde. Splits and standardisation were fixed before training; the weights are the running average that "
    "validated best (step {best_step})."
)

HEAD = ("metric", "value", "interval", "n", "baselines", "chance", "ceiling", "published", "protocol")
LIMITS = (
    "The embedding describes the samples it is given: batch effects, sampling bias and group sizes are part of "
    "what it sees. It was validated on held-out data of the distribution or file above only. Standard errors "
    "of embeddings cover sampling of the set, not training."
)
CITATION = (
    "Method: Fishman, Gowri, Yin, Gootenberg, Abudayyeh. Generative Distribution Embeddings. arXiv 2505.18150, "
    "NeurIPS 2025. Software: see CITATION.cff."
)


def write_card(model_dir: Path, metrics_file: Path, out: Path, *, description: str) -> None:
    """Write a Markdown card from the model's config.json and the experiment's metrics.json."""
    config, report = about(model_dir, metrics_file)
    with atomic_path(out) as tmp:
        tmp.write_text(card(config, report, description) + f"\n<!-- {SEAL_TEXT} -->\n")
        seal(tmp)


def about(model_dir: Path, metrics_file: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The model's settings and the experiment's metrics. GdeError for a damaged file."""
    verify_file(model_dir / "config.json")
    return read_json(model_dir / "config.json"), read_sealed_json(metrics_file)


def card(config: dict[str, Any], report: dict[str, Any], description: str = "") -> str:
    """The card's text."""
    return markdown(blocks(config, report, description))


def blocks(config: dict[str, Any], report: dict[str, Any], description: str = "") -> list[Block]:
    """The card."""
    training, budget = config["training"], config["budget"]
    methods = METHODS.format(
        encoder=encoder_words(config["encoder"]),
        generator=generator_words(config["generator"]),
        latent_dim=config["latent_dim"],
        best_step=budget["best_step"],
        **{k: training[k] for k in ("n_sets", "set_size")},
        steps=budget["steps"],
    )
    spent = (
        f"{BUDGET} {budget['steps']} steps, {budget['seconds']:.0f} s on {config['hardware']}, "
        f"{budget['samples_seen']:.3g} samples, seed {config['seed']}."
    )
    return [
        Block("h1", f"Model card: {config['name']} ({config['run']})"),
        Block("p", description),
        Block("h2", "Data"),
        Block("p", f"{ORIGIN[config['data']].capitalize()}. Set store {config['store'][:16]}."),
        Block("code", yaml.safe_dump(config["dataset"], sort_keys=False).rstrip()),
        Block("h2", "Methods"),
        *(Block("p", text) for text in (methods, spent, *provenance_lines(config["provenance"]))),
        Block("h2", "Results on held-out sets"),
        Block("table", [HEAD, *(metric_row(name, m) for name, m in report["metrics"].items())]),
        *notes(report),
        Block("h2", "Limits"),
        Block("p", LIMITS),
        Block("h2", "Citation"),
        Block("p", CITATION),
    ]


def encoder_words(encoder: dict[str, Any]) -> str:
    """Kind of an encoder; of one behind a language model, also which one that is and what was trained of it."""
    if "then" not in encoder:
        return encoder["kind"]
    trained = {"frozen": "not trained", "full": "trained, too", "lora": "with trained low-rank adapters"}[
        encoder["mode"]
    ]
    digest = f", SHA-256 {encoder['weights_sha256'][:16]}" if encoder["weights_sha256"] else ""
    origin = f"{encoder['weights']}{digest}" if encoder["weights"] else "from scratch"
    return f"{encoder['then']['kind']} (behind the language model of {encoder['kind']}: {origin}; {trained})"


def generator_words(generator: dict[str, Any]) -> str:
    """Kind of a generator, and the published weights that its training began with."""
    if not generator.get("weights"):
        return generator["kind"]
    return f"{generator['kind']} (begun from {generator['weights']}, SHA-256 {generator['weights_sha256'][:16]})"


def provenance_lines(record: dict[str, Any]) -> list[str]:
    """Where the model came from, short; all of it is in config.json."""
    about = record["environment"]
    version = f"gde {about['gde']}" + (f" ({about['git']})" if about["git"] else "")
    return [
        f"Settings {record['config'][:16]}, training code {record['code'][:16]}.",
        f"{MADE} {version}, Python {about['python']}, torch {about['torch']}, packages {about['lock'][:16]}.",
    ]


def better(m: dict[str, Any]) -> str:
    """Which values of a metric are good, in words."""
    if m["target"] is not None:
        return f"closer to {m['target']:g} is better"
    return f"{'higher' if m['higher_is_better'] else 'lower'} is better"


def notes(report: dict[str, Any]) -> list[Block]:
    """What makes metrics mean less than they seem to, and what was left out and why, each as a list with a title."""
    marked = [f"{name}: {'; '.join(m['marks'])}." for name, m in report["metrics"].items() if m["marks"]]
    left = [f"{one['what']}: {one['why']}." for one in report["left_out"]]
    sections = ("Read these with care", marked), ("Left out", left)
    return [block for title, items in sections if items for block in (Block("h3", title), Block("list", items))]


def metric_row(name: str, m: dict[str, Any]) -> list[str]:
    """One line of the results table."""
    interval = "" if m["ci"] is None else f"{m['ci'][0]:.4g} to {m['ci'][1]:.4g}"
    baselines = ", ".join(f"{baseline_words(k)} {number(v)}" for k, v in m["baselines"].items())
    words = metric_words(name)
    unit = f"; {words.unit}" if words.unit else ""
    cells = [f"{name}: {words.name} ({better(m)}{unit})", number(m["value"]), interval, str(m["n"]), baselines]
    return [*cells, number(m["chance"]), number(m["ceiling"]), number(m["published"]), m["protocol"]]


def number(value: float | None) -> str:
    """Four digits; "" for none."""
    return "" if value is None else f"{value:.4g}"
