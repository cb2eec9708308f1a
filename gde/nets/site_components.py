"""Components of sites: which tokens vary together in sequences that lie side by side, such as versions of one
protein."""

import torch
from torch import Tensor

RARE = 0.01  # share of the sequences below which a token of a position, or what is not this token, is left out
MOST = 2000  # tokens of positions that are looked at, at most: those that vary most
BESIDE = 0.8  # share of its tokens that a sequence has where they are usual, if it lies side by side with most


@torch.no_grad()
def beside(x: Tensor, known: int) -> Tensor:
    """Which of tokens x (n, L) lie side by side with the others (n,) bool: behind a deletion or an insertion a sequence
    stands beside other sites; it has another length than most, and agrees with few. All of them, where most agree with
    no usual sequence."""
    there = (x > 0) & (x <= known)
    usual, length = torch.where(there, x, 0).mode(0).values, (x > 0).sum(1)
    same = ((x == usual) & there).sum(1) >= BESIDE * there.sum(1)
    fine = same | (length == length.mode().values)
    return fine if same.float().mean() >= 0.5 else torch.ones_like(same)


@torch.no_grad()
def site_components(x: Tensor, known: int, rank: int) -> tuple[Tensor, Tensor]:
    """Principal components of the tokens 1..known at every position of tokens x (n, L); others say nothing.

    returns components (rank, L, known) of length 1 and the standard deviations (rank,) of the sequences along them,
    largest first; zeros where fewer than `rank` are there. Of each the entry largest in size is positive.
    """
    x = x.long()
    there = (x > 0) & (x <= known)
    count = torch.stack([(x == token).sum(0) for token in range(1, known + 1)], -1).double()
    share = count / there.sum(0).clamp(min=1)[:, None]
    position, token = ((share >= RARE) & (share <= 1 - RARE)).nonzero(as_tuple=True)
    share = share[position, token]
    order = (share * (1 - share)).argsort(descending=True, stable=True)[:MOST]
    position, token, share = position[order], token[order], share[order]
    components = torch.zeros(rank, x.shape[1], known, device=x.device)
    sd = torch.zeros(rank, device=x.device)
    if len(position):
        centred = ((x[:, position] == token + 1).double() - share) * there[:, position]
        variance, vector = torch.linalg.eigh(centred.T @ centred / len(x))  # ascending
        variance, vector = variance.flip(0)[:rank].clamp(min=0), vector.flip(1)[:, :rank]
        largest = vector.gather(0, vector.abs().argmax(0, keepdim=True))
        found = variance > variance[0] * torch.finfo(torch.float32).eps
        components[: len(variance), position, token] = (vector * largest.sign() * found).T.float()
        sd[: len(variance)] = (variance.sqrt() * found).float()
    return components, sd
