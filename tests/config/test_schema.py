"""What is generated from the models is current, and says the same as they do."""

import jsonschema
import pytest
from helpers import NAMES, ROOT, data

from gde.config.loading import read_yaml
from gde.config.schema import config_schema, experiment_schema, generated


def test_generated_files_are_current():
    for path, text in generated(ROOT).items():
        assert path.read_text() == text, f"{path.relative_to(ROOT)} is stale: run python -m gde.config.schema"


@pytest.mark.parametrize("name", NAMES)
def test_experiments_fit_the_schema(name):
    schema = experiment_schema()
    jsonschema.validate(data(name), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data(name) | {"latent_dm": 3}, schema)


def test_config_fits_the_schema():
    schema = config_schema()
    jsonschema.validate(read_yaml(ROOT / "config/config.yaml").data, schema)
    jsonschema.validate({"gmm": {"training": {"steps": 3}}}, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"gmm": {"trainin": {"steps": 3}}}, schema)
