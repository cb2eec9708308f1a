import os

from snakemake.jobs import Job

from gde.runs import code_digest as digest
from gde.cluster.memory_by_attempt import memory
from gde.cluster.mistakes import restart_times
from gde.cluster.quiet import quieten
from gde.config import find_all, training_slice
from gde.config.datasets import sample_type_of
from gde.config.inputs import evaluation_files, listed_files, own_files
from gde.definitions.digest import code_digest, script_digest
from gde.errors import GdeError, bad
from gde.config.evaluations import EVALUATIONS
from gde.config.figures import figures_of, tables_of
from gde.config.words import FIGURES
from gde.cluster.jobs import guard
from gde.files.product import PRODUCT
from gde.cli.script import EXIT, export_package, say
from gde.cluster.signals import pass_on_sigterm
from gde.fetch.sources import ask_for, files_of, read_conversions, read_sources, weights_of
from gde.fetch.published_models import weights_files
from gde.preflight.targets import wrong_target
from gde.runs.wildcards import any_before, any_of

export_package()
os.environ.setdefault("GDE_LM_CACHE", "results/lm_cache")  # of all experiments together
pass_on_sigterm()
Job.restart_times = property(restart_times)
quieten(workflow)
try:
    FOUND = find_all(config, Path(), workflow.configfiles)
    if FOUND.general:
        raise FOUND.general[0]
    SOURCES = read_sources()
    CONVERSIONS = read_conversions()
except GdeError as e:
    say(e)
    sys.exit(EXIT)
SETTINGS, EXPERIMENTS, GRIDS = FOUND.settings, FOUND.experiments, FOUND.grids

# A cell of a grid is an experiment whose name is its path; many cells share a store.
NAMES = list(EXPERIMENTS)
CELLS = {path: cell for grid in GRIDS.values() for path, cell in grid.cells.items()}
STORES = EXPERIMENTS | {name: store for grid in GRIDS.values() for name, store in grid.stores.items()}
EXPERIMENTS = EXPERIMENTS | {path: cell.resolved for path, cell in CELLS.items()}
SAMPLES = {name: f"samples{sample_type_of(resolved['dataset']).SUFFIX}" for name, resolved in EXPERIMENTS.items()}
CARDS = ("MODEL_CARD.md", "card.html")
SCRIPTS = PRODUCT / "workflow/scripts"
SHOWN = [name for name in SETTINGS["experiments"] if name in EXPERIMENTS]  # without those that are refused
GPU = 0 if SETTINGS["accelerator"] == "cpu" else 1
# Of a training: its processes and nodes, the processes that a node has at most, and those that a task of Slurm starts.
GPUS, NODES = SETTINGS["gpus"], SETTINGS["nodes"]
ON_NODE, IN_TASK = -(-GPUS // NODES), GPUS if NODES == 1 else 1
# On several nodes the job itself calls srun: `mpi` keeps the Slurm plugin from starting it as a step of one task.
# Without `nodes` Slurm may take the GPUs of one training from several nodes.
SPREAD = {"nodes": NODES, "tasks": GPUS, "tasks_per_gpu": 0, "mpi": "srun"} if NODES > 1 else {"nodes": 1}


def resolved_of(wildcards):
    """The settings of the experiment, cell or set store that a job is about."""
    return STORES[wildcards.store] if hasattr(wildcards, "store") else EXPERIMENTS[wildcards.experiment]


def torch_threads(wildcards):
    """Threads of what computes with a model, wherever it runs."""
    return EXPERIMENTS[wildcards.experiment]["training"]["torch_threads"]


def slice_of(*keys):
    """Params function: the part of the resolved settings that a rule reads, so that an edit reruns only its readers."""
    return lambda wildcards: {key: resolved_of(wildcards)[key] for key in keys}


def evaluation_slice(wildcards):
    """Params function: what evaluation reads, which is nearly everything."""
    resolved = EXPERIMENTS[wildcards.experiment]
    return {key: value for key, value in resolved.items() if key not in ("description", "like", "preset")}


def code_of(script, roots, wildcard=None):
    """Params function: digest of a script and of the code behind `roots(resolved)`, or `roots(value of a wildcard)`.

    Snakemake's own trigger does not see imported modules, and takes a touched script for an edited one.
    """

    def code(wildcards):
        about = getattr(wildcards, wildcard) if wildcard else resolved_of(wildcards)
        return f"{script_digest(SCRIPTS / f'{script}.py')[:16]}-{code_digest(roots(about))[:16]}"

    return code


def page_of(wildcards):
    """The label of a figure or of the cards in the report, which orders pages by their labels: the most important
    first."""
    figures = figures_of(EXPERIMENTS[wildcards.experiment])
    if not hasattr(wildcards, "figure"):
        return {"page": f"{len(figures) + 1:02d} Data and model card"}
    place = figures.index(wildcards.figure) if wildcards.figure in figures else len(figures) + 1  # asked for by name
    return {"page": f"{place + 1:02d} {FIGURES.get(wildcards.figure, wildcards.figure)}"}


def first_figure(experiment):
    """The figure that stands for an experiment."""
    return figures_of(EXPERIMENTS[experiment])[0]


def overview_of(experiment):
    """What the overview tells of an experiment beside its numbers."""
    resolved = EXPERIMENTS[experiment]
    key = EVALUATIONS[resolved["evaluation"]["kind"]].key
    return {"description": resolved["description"], "key": list(key), "figure": first_figure(experiment)}


def sets_of(wildcards):
    """The set store that an experiment or cell is trained and tested on."""
    name = wildcards.experiment
    return f"results/sets/{CELLS[name].store if name in CELLS else name}"


def one_snakemake():
    """Refuse to run jobs beside another Snakemake, or beside jobs that one left behind when it was killed."""
    try:
        guard(workflow)
    except GdeError as e:
        say(e)
        sys.exit(EXIT)


def sets_to_share(wildcards):
    """As `sets_of`, for training; refuses processes that would have no part of a batch, and nodes without a process."""
    shards = EXPERIMENTS[wildcards.experiment]["training"]["shards"]
    try:
        if shards < GPUS:
            expected = f"{GPUS} or more, a part of the batch for each GPU"
            raise bad(f"{wildcards.experiment}: training.shards", str(shards), expected, "raise it, or lower gpus")
        if GPUS < NODES:
            raise bad("config/config.yaml: nodes", str(NODES), f"at most gpus = {GPUS}", "raise gpus, or lower nodes")
    except GdeError as e:
        say(e)
        sys.exit(EXIT)
    return sets_of(wildcards)


def raw_files(wildcards):
    """The files that a set store is made from: of resources/sources.yaml, or the user's."""
    one_snakemake()  # here, since every job needs a set store, and before Snakemake says that it is locked
    dataset = resolved_of(wildcards)["dataset"]
    sources = [source for source in files_of(dataset, table=SOURCES) if source.access != "bundled"]
    for source in sources:
        if not (source.urls or SETTINGS["mirror"] or source.path.is_file()):
            say(ask_for(source))
            sys.exit(EXIT)
    files = [str(source.path) for source in sources]
    own = existing(wildcards.store, "dataset", own_files(dataset, files))
    listing = listed_files(dataset)
    return [*files, *own, *([str(listing)] if listing else [])]


def existing(name, section, own):
    """Paths of the user's files by key, all of which must be there."""
    for key, path in own.items():
        if not (Path(path).is_file() or str(Path(path)) in CONVERSIONS):
            file = f"config/experiments/{name}.yaml" if name in NAMES else "config/config.yaml"
            remedy = "correct the path; it is relative to the working directory"
            say(bad(f"{file}: {section}.{key}", f"no file {path!r}", "an existing file", remedy))
            sys.exit(EXIT)
    return list(own.values())


def evaluated_with(wildcards):
    """The user's files that metrics are computed with."""
    name = wildcards.experiment
    return existing(name, "evaluation", evaluation_files(EXPERIMENTS[name]["evaluation"]))


def published(wildcards):
    """The files of the published models that training starts from, and that a trained model may stand on."""
    name = wildcards.experiment
    try:
        for source in weights_of(EXPERIMENTS[name], table=SOURCES):
            if not (source.urls or SETTINGS["mirror"] or source.path.is_file()):
                raise ask_for(source)
        return [str(path) for path in weights_files(name, EXPERIMENTS[name], table=SOURCES)]
    except GdeError as e:
        say(e)
        sys.exit(EXIT)


def predicts(experiment):
    """Whether an experiment predicts perturbations."""
    return EXPERIMENTS[experiment]["objective"]["kind"] == "perturbation"


def refuse(problem):
    """End with a problem, if it is one."""
    if problem is not None:
        say(problem)
        sys.exit(EXIT)


def everything(wildcards):
    """What `all` makes. A faulty experiment that is not among it stops nothing."""
    for name in SETTINGS["experiments"]:
        refuse(FOUND.broken.get(name))
    files = [file for experiment in SETTINGS["experiments"] for file in outputs(experiment)]
    return [*files, "results/overview.html"] if SHOWN else files


def is_free(experiment):
    """Whether no rule bears the name of an experiment, so that it can be a target."""
    return not workflow.is_rule(experiment)


def every_grid(wildcards):
    """What `grids` makes."""
    for name in SETTINGS["grids"]:
        refuse(FOUND.broken.get(f"grid/{name}"))
    return [file for grid in GRIDS for file in grid_outputs(grid)]


def explain_targets():
    """Let a target that no rule makes be refused with the one that is most like it.

    Snakemake reads its targets after the Snakefile, and asks of each first whether it is a rule.
    """
    is_rule = workflow.is_rule

    def made(file):
        return any(rule.is_producer(file) for rule in workflow.rules)

    def delivered():
        of_experiments = (file for name in NAMES for file in (*outputs(name), f"results/{name}/model"))
        of_grids = (file for grid in GRIDS for file in grid_outputs(grid))
        return [*of_experiments, *of_grids, *(f"results/sets/{store}" for store in STORES)]

    def is_rule_or_made(target):
        if is_rule(target) or workflow.dag_settings is None:  # while rules are read it asks, too, of each new one
            return is_rule(target)
        names = [rule.name for rule in workflow.rules]
        refuse(wrong_target(target, made, delivered, names, FOUND.broken))
        return False

    if workflow.is_main_process:
        workflow.is_rule = is_rule_or_made


explain_targets()


def tables_behind(wildcards):
    """The tables that a figure is drawn from."""
    return f"results/{wildcards.experiment}/{tables_of(wildcards.figure)}"


def outputs(experiment):
    """Everything an experiment delivers."""
    folder = f"results/{experiment}"
    figures = figures_of(EXPERIMENTS[experiment])
    predicted = ["predictions.h5ad", "observed.h5ad"] if predicts(experiment) else []
    return [
        *(f"{folder}/{file}" for file in predicted),
        *(f"{folder}/{file}" for file in ("metrics.json", "embeddings.h5ad", SAMPLES[experiment], *CARDS)),
        *(f"{folder}/figures/{figure}.svg" for figure in figures),
    ]


def grid_outputs(grid):
    """Everything a grid delivers."""
    folder = f"results/grid/{grid}"
    return [f"{folder}/summary.tsv", *(f"{folder}/figures/{metric}.svg" for metric in GRIDS[grid].metrics)]
