"""Messages of commands name their options, not keys of a configuration."""

import pytest

from gde.cli import as_options


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x.fa: found no 'donor'; set dataset.fields", "x.fa: found no 'donor'; set --fields"),
        ("set dataset.too_long: drop, or dataset.use_raw", "set --too-long: drop, or --use-raw"),
        ("correct dataset.path", "correct dataset.path"),
    ],
)
def test_keys_become_options(text, told):
    assert as_options(text) == told
