"""Near copies: sequences that agree with another at nearly all of their positions, found by the k-mers they share.

Every k-mer is compared with a few others of the same tokens (as Steinegger and Soeding, Nature Communications 2018), so
that time and memory are linear in the number of sequences. What two sequences share is then counted: positions that
agree, laid side by side without gaps as a k-mer says, or in two parts as two k-mers do, which one insertion or deletion
needs; as a share of the shorter of them. Of DNA both strands are compared: a reverse complement is a copy.
"""

from collections.abc import Iterable, Iterator

import numpy as np

from gde.sets.types.alphabet import END, Alphabet, lengths

NEAR = 0.9  # share of agreeing positions from which a sequence is a near copy, where nobody says otherwise
ALL_KMERS = 128  # k-mers of a sequence up to which all are compared; of longer ones about KMERS, whichever hash low
KMERS = 64
TOGETHER = 1 << 23  # k-mers that are sorted together
TOKENS = 1 << 22  # tokens that are numbered or compared together
PARTNERS = 8  # known sequences of each k-mer, and chunk, that one is compared with
_ODD = np.uint64(0x9E3779B97F4A7C15)


def clusters(tokens: np.ndarray, identity: float, alphabet: Alphabet) -> np.ndarray:
    """Number (m,) int64 of the cluster of each sequence of tokens (m, L) uint8: near copies of near copies together.

    identity : share of positions from which two are near copies, on either strand.
    A pair is found where it shares a run of k tokens: with k = 13, of 100,000 sequences of 80 tokens, any two of 5
    different ones, and 97 % of those with 8.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    if not len(tokens):
        return np.zeros(0, np.int64)
    rows = np.ascontiguousarray(tokens).view(np.dtype((np.void, tokens.shape[1])))[:, 0]
    _, first, of = np.unique(rows, return_index=True, return_inverse=True)
    own = tokens[first]
    either = alphabet.strands(own)  # the other strands behind, so that of a pair the first is of `own`
    pairs = [np.zeros((2, 0), np.int64)]
    for code, row, place in _sorted_passes(either, alphabet.known, len(either) // len(own)):
        a, b, shift = _partners(code, row, place)
        forward = a < len(own)  # two other strands are what the two themselves are
        near = shares_of_pairs(either, either, a[forward], b[forward], shift[forward], enough=identity)
        pairs.append(np.stack([x[near[2] >= identity] for x in near[:2]]))
    a, b = np.concatenate(pairs, 1) % len(own)
    graph = coo_matrix((np.ones(len(a), bool), (a, b)), shape=(len(own), len(own)))
    return connected_components(graph, directed=False)[1].astype(np.int64)[of]


def nearest(
    asked: np.ndarray, chunks: Iterable[tuple[np.ndarray, np.ndarray]], alphabet: Alphabet
) -> tuple[np.ndarray, np.ndarray]:
    """Of each sequence of tokens asked (a, L): the share (a,) of its positions at which the nearest known sequence, on
    either strand, agrees, and the number (a,) of that; 0 and -1 where none shares a k-mer with it.

    chunks : tokens (n, L) and numbers (n,) of known sequences, read once.   At most `PARTNERS` sequences of a chunk are
    looked at for each k-mer: of many near ones it is one of the nearest.
    """
    best, number = np.zeros(len(asked)), np.full(len(asked), -1, np.int64)
    known, either = alphabet.known, alphabet.strands(asked)
    k, share = width(len(asked) * asked.shape[1] * 256, known), _sampled(asked.shape[1])
    code, row, place = _kmers(either, k, known, share)
    order = np.argsort(code, kind="stable")
    code, row, place = code[order], row[order], place[order]
    codes, start, count = np.unique(code, return_index=True, return_counts=True)
    if not len(codes):
        return best, number
    for tokens, numbers in chunks:
        theirs, member, at = _kmers(tokens, k, known, share, codes)
        order = np.argsort(theirs, kind="stable")
        theirs, member, at = theirs[order], member[order], at[order]
        rank = np.arange(len(theirs)) - np.searchsorted(theirs, theirs)
        some = rank < PARTNERS
        theirs, member, at = theirs[some], member[some], at[some]
        which = np.searchsorted(codes, theirs)
        each = count[which]
        mine = np.repeat(start[which], each) + np.arange(each.sum()) - np.repeat(np.cumsum(each) - each, each)
        b = np.repeat(np.arange(len(theirs)), each)
        one, other, share_of = shares_of_pairs(either, tokens, row[mine], member[b], at[b] - place[mine])
        for a, c, value in _best(one % len(asked), other, share_of):
            if value > best[a]:
                best[a], number[a] = value, numbers[c]
    return best, number


def _best(a: np.ndarray, b: np.ndarray, value: np.ndarray) -> Iterator[tuple[int, int, float]]:
    """The pair of the largest value for each a."""
    order = np.lexsort((-value, a))
    first = order[np.flatnonzero(np.diff(a[order], prepend=-1))]
    yield from zip(a[first].tolist(), b[first].tolist(), value[first].tolist(), strict=True)


def width(kmers: int, known: int) -> int:
    """Tokens of a k-mer of which random sequences with so many share few."""
    k = 4
    while known**k < 2 * kmers and known ** (k + 1) < 1 << 62:
        k += 1
    return k


def _sampled(length: int) -> float:
    """Share of the k-mers of sequences of so many tokens that are compared."""
    return 1.0 if length <= ALL_KMERS else KMERS / length


def _mixed(code: np.ndarray) -> np.ndarray:
    """Codes as random numbers of 32 bits."""
    return (code.astype(np.uint64) * _ODD) >> np.uint64(32)


def _kmers(
    tokens: np.ndarray, k: int, known: int, share: float, wanted: np.ndarray | None = None, part: tuple = (0, 1)
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Code, row and position (q,) of the k-mers of tokens (m, L) without ends and unknown tokens, row by row.

    share : of all different k-mers, that are kept.   wanted : sorted codes, the only ones kept.   part : (i, n) the
    i-th of n parts of the k-mers.
    """
    out: list[tuple[np.ndarray, ...]] = [(np.zeros(0, np.int64), np.zeros(0, np.int32), np.zeros(0, np.int32))]
    positions = tokens.shape[1] - k + 1
    step = max(1, TOKENS // tokens.shape[1])
    for begin in range(0, len(tokens) if positions > 0 else 0, step):
        x = tokens[begin : begin + step]
        residue = (x != END) & (x <= known)
        digit = np.where(residue, x, 1).astype(np.int64) - 1
        code, fine = np.zeros((len(x), positions), np.int64), np.ones((len(x), positions), bool)
        for j in range(k):
            code *= known
            code += digit[:, j : j + positions]
            fine &= residue[:, j : j + positions]
        if share < 1.0 or part[1] > 1:
            mixed = _mixed(code)
            fine &= mixed < np.uint64(share * 2**32)
            fine &= mixed % np.uint64(part[1]) == part[0]
        if wanted is not None:
            fine &= wanted[np.minimum(np.searchsorted(wanted, code), len(wanted) - 1)] == code
        row, place = np.nonzero(fine)
        out.append((code[fine], (begin + row).astype(np.int32), place.astype(np.int32)))
    code, row, place = (np.concatenate(x) for x in zip(*out, strict=True))
    return code, row, place


def _sorted_passes(tokens: np.ndarray, known: int, strands: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """The k-mers of tokens (m, L) by their codes, as `_kmers` has them, as many together as memory allows.

    strands : how often each sequence is there, which makes its k-mers no longer.
    """
    share = _sampled(tokens.shape[1])
    total = int(len(tokens) * tokens.shape[1] * share)
    k, passes = width(total // strands, known), max(1, -(-total // TOGETHER))
    for i in range(passes):
        code, row, place = _kmers(tokens, k, known, share, part=(i, passes))
        order = np.argsort(code, kind="stable")
        yield code[order], row[order], place[order]


def _partners(code: np.ndarray, row: np.ndarray, place: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of rows a < b that have a k-mer in common, and how much further on it stands in b: with the two before it
    among those of the same k-mer, and with the first of these."""
    fresh = np.ones(len(code), bool)
    fresh[1:] = (code[1:] != code[:-1]) | (row[1:] != row[:-1])  # a k-mer that a sequence has twice counts once
    code, row, place = code[fresh], row[fresh], place[fresh]
    at = np.arange(len(code))
    first = np.flatnonzero(np.diff(code, prepend=-1))
    first = np.repeat(first, np.diff(np.append(first, len(code))))
    a, b = [], []
    for before in (at - 1, at - 2, first):
        there = before >= first
        there &= before < at
        a.append(before[there])
        b.append(at[there])
    a, b = np.concatenate(a), np.concatenate(b)
    return row[a], row[b], place[b] - place[a]


def shares_of_pairs(
    x: np.ndarray, y: np.ndarray, a: np.ndarray, b: np.ndarray, shift: np.ndarray, *, enough: float = 1.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Different pairs of rows of tokens x (m, L) and y (n, L), and the share of the shorter one's positions at which
    they agree (p,): position i of x with i + shift of y. Of several shifts of a pair the one that most k-mers say
    counts, and of pairs below `enough`, with a gap, the next one beside it."""
    length = x.shape[1]
    key = (a.astype(np.int64) * len(y) + b) * (2 * length) + shift + length
    key, count = np.unique(key, return_counts=True)
    pair = key // (2 * length)
    order = np.lexsort((-count, pair))
    key, pair = key[order], pair[order]
    first = np.flatnonzero(np.diff(pair, prepend=-1))
    shift, (a, b) = key[first] % (2 * length) - length, np.divmod(pair[first], len(y))
    shorter = np.minimum(lengths(x)[a], lengths(y)[b])
    value = _agreeing(x, y, a, b, shift) / shorter
    later = np.append(first, len(key))[1:] - first > 1
    if (two := np.flatnonzero(later & (value < enough))).size:
        second = key[first[two] + 1] % (2 * length) - length
        broken = _agreeing_in_parts(x, y, a[two], b[two], (shift[two], second)) / shorter[two]
        value[two] = np.maximum(value[two], broken)
    return a, b, value


def _agreeing(x: np.ndarray, y: np.ndarray, a: np.ndarray, b: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Positions (p,) i of x[a] that agree with i + shift of y[b]."""
    out, length = np.zeros(len(a)), x.shape[1]
    order = np.argsort(shift, kind="stable")
    for part in np.split(order, np.flatnonzero(np.diff(shift[order])) + 1) if len(order) else ():
        s = int(shift[part[0]])
        low, high = max(0, -s), min(length, length - s)
        step = max(1, TOKENS // length)
        for begin in range(0, len(part), step):
            some = part[begin : begin + step]
            own = x[a[some], low:high]
            out[some] = ((own == y[b[some], low + s : high + s]) & (own != END)).sum(1)
    return out


def _agreeing_in_parts(x: np.ndarray, y: np.ndarray, a: np.ndarray, b: np.ndarray, shifts: tuple) -> np.ndarray:
    """Positions (p,) of x[a] that agree with y[b] at one of two shifts up to some position and at the other behind it,
    where that is most; less one for the gap."""
    out, length = np.zeros(len(a)), x.shape[1]
    at, step = np.arange(length), max(1, TOKENS // length)
    for begin in range(0, len(a), step):
        some = slice(begin, begin + step)
        own = x[a[some]]
        upto = []
        for shift in shifts:
            place = at + shift[some, None]
            there = (place >= 0) & (place < length) & (own != END)
            same = there & (own == y[b[some, None], np.clip(place, 0, length - 1)])
            upto.append(same.cumsum(1, dtype=np.int32))
        one, other = upto
        best = np.maximum((one - other).max(1) + other[:, -1], (other - one).max(1) + one[:, -1])
        out[some] = best - 1
    return out
