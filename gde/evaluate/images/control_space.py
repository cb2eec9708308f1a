"""The space of controls: embeddings centred in each well by its controls, and scaled by how these differ."""

import numpy as np

SHRINKAGE = 0.1  # of the controls' covariance towards one without directions
FEWEST = 3  # controls in a well by which it is centred


def centred(x: np.ndarray, well: np.ndarray, control: np.ndarray) -> np.ndarray:
    """x (n, l) less the mean of the controls (n,) bool of each row's well (n,).

    ValueError names a well of fewer than FEWEST controls: without them a well's effect is not told from its genes'.
    """
    out = np.array(x, float)
    for w in np.unique(well):
        own = well == w
        if (count := int((own & control).sum())) < FEWEST:
            raise ValueError(f"well {w}: found {count} groups of controls, expected {FEWEST} or more; leave it out")
        out[own] -= out[own & control].mean(0)
    return out


def whitened(x: np.ndarray, control: np.ndarray) -> np.ndarray:
    """x (n, l), centred already, in directions and units in which controls (n,) bool vary alike.

    Their second moments C about 0 are shrunk to (1 - s) C + s tr(C) / l, as there may be fewer controls than
    directions. What varies in no control, where the trace is 0, is left as it is.
    """
    own = x[control]
    moments = own.T @ own / len(own)
    level = np.trace(moments) / len(moments)
    if level <= 0:
        return x
    value, axes = np.linalg.eigh((1 - SHRINKAGE) * moments + SHRINKAGE * level * np.eye(len(moments)))
    return x @ axes / np.sqrt(value)
