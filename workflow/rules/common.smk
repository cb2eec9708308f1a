from gde import digest
from gde.config import resolve_all, settings, training_slice
from gde.errors import GdeError, bad
from gde.figures import figures_of
from gde.script import EXIT, export_package, say

export_package()
try:
    SETTINGS, _ = settings(config, Path(), workflow.configfiles)
    EXPERIMENTS = resolve_all(config, Path(), workflow.configfiles)
except GdeError as e:
    say(e)
    sys.exit(EXIT)

GPU = 0 if SETTINGS["accelerator"] == "cpu" else 1


def slice_of(*keys):
    """Params function: the part of the resolved experiment that a rule reads, so that an edit reruns only its readers."""
    return lambda wildcards: {key: EXPERIMENTS[wildcards.experiment][key] for key in keys}


def code_of(script, modules):
    """Params function: digest of a script and of the code behind `modules(resolved)`, or `modules(figure)`.

    Snakemake's own trigger does not see imported modules, and takes a touched script for an edited one.
    """
    path = Path(workflow.basedir) / "scripts" / f"{script}.py"

    def code(wildcards):
        about = wildcards.figure if script == "figure" else EXPERIMENTS[wildcards.experiment]
        return f"{digest.script_digest(path)[:16]}-{digest.code_digest(modules(about))[:16]}"

    return code


def user_file(wildcards):
    """The file that the experiment's data set is read from, if it is a user's."""
    dataset = EXPERIMENTS[wildcards.experiment]["dataset"]
    if "path" not in dataset:
        return []
    if not Path(dataset["path"]).is_file():
        where = f"config/experiments/{wildcards.experiment}.yaml: dataset.path"
        remedy = "correct the path; it is relative to the working directory"
        say(bad(where, f"no file {dataset['path']!r}", "an existing file", remedy))
        sys.exit(EXIT)
    return dataset["path"]


def outputs(experiment):
    """Everything an experiment delivers."""
    folder = f"results/{experiment}"
    figures = figures_of(EXPERIMENTS[experiment]["evaluation"]["kind"])
    return [
        *(f"{folder}/{file}" for file in ("metrics.json", "embeddings.h5ad", "samples.h5ad", "MODEL_CARD.md")),
        *(f"{folder}/figures/{figure}.svg" for figure in figures),
    ]
