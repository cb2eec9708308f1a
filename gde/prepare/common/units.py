"""What the numbers of a store of cells are, in words."""

UNITS = {
    "counts": "log1p of counts per 10,000",
    "fractional_counts": "log1p of counts per 10,000",
    "normalised": "log1p of normalised counts",
    "lognorm": "log-normalised expression as in the file",
    "scaled": "values as in the file",
}


def units(values: str, scale: bool, n_pcs: int | str | None) -> str:
    """What a sample's numbers are, in words."""
    text = UNITS[values]
    if scale:
        text += "; centred and divided by the training sd, clipped at 10"
    return text + of_components(n_pcs)


def of_components(n_pcs: int | str | None) -> str:
    """The same of principal components, behind what they are made from; `auto` has no number yet."""
    number = f" ({n_pcs})" if isinstance(n_pcs, int) else ""
    return f"; principal component scores of these{number}" if n_pcs else ""
