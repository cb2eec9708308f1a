"""Columns of obs: what they are, and which of them tell groups apart."""

from typing import TYPE_CHECKING

import pandas as pd

from gde.errors import bad

if TYPE_CHECKING:
    import anndata

NAMED = 24  # categories that a legend names
LEVELS = 8  # categories of a strip beside a matrix
STRIPS = 3
PLACES = ("start", "stop")  # in a file
APART = ("split", "group")  # shown by other means


def column(embeddings: "anndata.AnnData", name: str) -> pd.Series:
    """A column of obs. GdeError for one that is not there."""
    if name not in embeddings.obs:
        known = ", ".join(embeddings.obs.columns)
        raise bad(f"obs column {name!r}", "no such column", f"one of {known}", "correct the name")
    return embeddings.obs[name]


def is_number(obs: pd.DataFrame, name: str) -> bool:
    """Whether a column is taken as continuous: numbers, but no truth values and no number that is a group's name."""
    values = obs[name]
    if not pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
        return False
    return "group" not in obs or (values.astype(str) != obs["group"].astype(str)).any()


def telling(obs: pd.DataFrame) -> list[str]:
    """Columns that may tell groups apart: neither all the same nor all missing, nor a name that each row has alone.

    Numbers may differ everywhere; positions in a file are left out.
    """
    out = []
    for name in obs.columns:
        known = obs[name].dropna()
        levels = known.nunique()
        if name not in PLACES and levels > 1 and (is_number(obs, name) or levels < len(known)):
            out.append(name)
    return out


def panels(obs: pd.DataFrame) -> list[str]:
    """Columns that get a panel of their own, numbers of samples last; the group alone where there is no other."""
    found = [name for name in telling(obs) if name not in APART]
    if "group" in obs and obs["group"].nunique() <= NAMED:
        same = [name for name in found if (obs[name].astype(str) == obs["group"].astype(str)).all()]
        found = found if same else ["group", *found]
    return sorted(found, key=lambda name: name == "n_samples") or ["group"]


def without_strip(obs: pd.DataFrame) -> list[str]:
    """Columns that tell groups apart and get no strip, with their number of values where that is the reason."""
    shown = strips(obs)
    out = []
    for name in telling(obs):
        if name not in (*APART, "n_samples", *shown):
            many = not is_number(obs, name) and obs[name].nunique() > LEVELS
            out.append(f"{name} ({obs[name].nunique()} values)" if many else name)
    return out


def strips(obs: pd.DataFrame) -> list[str]:
    """Columns of obs that get a strip: categories of few values, then numbers."""
    found = [name for name in telling(obs) if name not in (*APART, "n_samples")]
    found = [name for name in found if is_number(obs, name) or obs[name].nunique() <= LEVELS]
    return sorted(found, key=lambda name: is_number(obs, name))[:STRIPS]
