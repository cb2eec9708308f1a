"""Predict the held-out perturbations from the controls of their contexts."""

from pathlib import Path

from gde.cli.script import job

with job(snakemake) as s:  # noqa: F821
    from gde.cluster.device import pick_device
    from gde.predict import predict_test_sets

    device = pick_device(s.config.get("accelerator", "auto"))
    out, observed = Path(s.output.predictions), Path(s.output.observed)
    predict_test_sets(Path(s.input.model), Path(s.input.sets), out, observed, device=device)
