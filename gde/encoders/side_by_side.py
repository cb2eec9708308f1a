"""Sequences side by side: versions of one protein laid onto the sites that most of them have, so that one which lacks a
residue does not differ from the others at every position behind it."""

import numpy as np
import torch
from torch import Tensor

from gde.sets.alignment import GAP, Aligner
from gde.sets.types.alphabet import ALPHABETS, END

ALIKE = 0.8  # mean share of the usual token over positions from which sequences are versions of one
FAR = 0.05  # share of differing sites from which a sequence of the usual length is aligned as well
KEPT = 1 << 15  # different sequences whose alignment is remembered


class SideBySide:
    """Tokens (r, L) -> tokens (r, L) at the sites of the usual sequence: the unknown token where one lacks a site, and
    before its beginning and behind its end; what it has between two sites is left out.

    Sequences that have as many tokens and differ at few are what they were; so are those that are no relatives, and
    all of them where the usual sequence is none: promoters, reads.

    usual : shares (L, tokens - 1) of the known tokens at each position of training sequences.
    """

    def __init__(self, usual: Tensor):
        share = usual.detach().cpu().double().numpy()
        self.vocabulary = share.shape[1] + 1
        self.sites = int((share.sum(1) >= 0.5).sum())
        alphabet = next((a for a in ALPHABETS.values() if a.size == self.vocabulary), None)
        alike = self.sites > 0 and share[: self.sites].max(1).mean() >= ALIKE
        self._aligner = None
        if alike and alphabet is not None and alphabet.unknown:
            self.reference = np.zeros(len(share), np.uint8)
            self.reference[: self.sites] = share[: self.sites].argmax(1) + 1
            self._aligner = Aligner(self.reference[: self.sites], alphabet)
            self._known: dict[bytes, np.ndarray] = {}

    @torch.compiler.disable
    def __call__(self, x: Tensor) -> Tensor:
        if self._aligner is None:
            return x
        reference = torch.from_numpy(self.reference).to(x.device)
        differ = ((x != reference) & (x != self.vocabulary)).sum(1) > FAR * self.sites
        far = (((x != END).sum(1) != self.sites) | differ).nonzero()[:, 0]
        if not len(far):
            return x
        placed = np.stack([self._place(row) for row in x[far].cpu().numpy().astype(np.uint8)])
        out = x.clone()
        out[far] = torch.from_numpy(placed).to(x.device, x.dtype)
        return out

    def _place(self, row: np.ndarray) -> np.ndarray:
        key = row.tobytes()
        if key not in self._known:
            if len(self._known) >= KEPT:
                self._known.clear()
            residues, out = row[: np.count_nonzero(row)], row
            if self._aligner.related(residues):
                own = self._aligner(residues)
                out = np.zeros_like(row)
                out[: self.sites] = np.where(own == GAP, self.vocabulary, own)
            self._known[key] = out
        return self._known[key]
