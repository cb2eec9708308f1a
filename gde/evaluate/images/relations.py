"""Relations: how many known pairs of genes, or of guides of one gene, are among the most similar ones."""

import numpy as np

DIGITS = 9  # cosines that agree in so many are equal


def cosines(x: np.ndarray) -> np.ndarray:
    """Cosine similarity (g, g) of vectors (g, l); 0 beside a vector without length."""
    length = np.linalg.norm(x, axis=1, keepdims=True)
    unit = np.divide(x, length, out=np.zeros_like(x, dtype=float), where=length > 1e-12 * max(1.0, length.max()))
    return unit @ unit.T


def found_pairs(similarity: np.ndarray, share: float) -> np.ndarray:
    """How much of each pair (g (g - 1) / 2,), as `pairs` orders them, is in the given share of the most similar ones.

    1 above the threshold, 0 below; pairs that tie at it share what is left, so that a similarity that is blind finds
    exactly `share` of any pairs. One tail.
    """
    value = np.round(similarity[pairs(len(similarity))], DIGITS)
    wanted = share * len(value)
    threshold = np.sort(value)[::-1][min(len(value), int(np.ceil(wanted))) - 1]
    above, tied = value > threshold, value == threshold
    return above + tied * (wanted - above.sum()) / tied.sum()


def pairs(n: int) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of both of all pairs of n."""
    return np.triu_indices(n, 1)


def recall(similarity: np.ndarray, related: np.ndarray, share: float) -> float:
    """Share of related pairs, (g, g) bool, that are in the given share of the most similar of all (g, g); chance is
    `share`. ValueError where nothing is related."""
    known = related[pairs(len(related))]
    if not known.any():
        raise ValueError("recall: found no related pair, expected one or more")
    return float(found_pairs(similarity, share)[known].mean())


def precision_at_own(similarity: np.ndarray, names: np.ndarray) -> np.ndarray:
    """Average precision (n,) of each of n with which it retrieves the others of its name by similarity (n, n); NaN for
    one alone of its name. Of ties the wrong ones come first."""
    out = np.full(len(names), np.nan)
    for i in range(len(names)):
        others = np.delete(np.arange(len(names)), i)
        own = names[others] == names[i]
        if own.any():
            value = np.round(similarity[i, others], DIGITS)
            hit = own[np.lexsort((own, -value))]
            out[i] = (np.cumsum(hit) / np.arange(1, len(hit) + 1))[hit].mean()
    return out


def means_by(x: np.ndarray, names: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Mean (g, l) of the rows of x (n, l) of each name, in the given order of names (g,)."""
    place = {name: i for i, name in enumerate(order)}
    code = np.array([place.get(name, -1) for name in names])
    total = np.zeros((len(order), x.shape[1]))
    np.add.at(total, code[code >= 0], x[code >= 0])
    return total / np.bincount(code[code >= 0], minlength=len(order))[:, None]
