"""Codons to amino acids, many genomes at once, as tokens of the protein alphabet.

Nucleotides are sets of the four bases, four bits each, so that a codon of ambiguous residues is known where all its
readings mean the same, as in Biopython; where they differ it is X.
"""

from itertools import product

import numpy as np

from gde.prepare.virus_spikes import STOP, X
from gde.sets.types.alphabet import ALPHABETS, ILLEGAL

BASES = "TCAG"  # in the order of the standard genetic code's table (NCBI's number 1)
AMINO_ACIDS = "FFLLSSSSYY**CC*WLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG"
AMBIGUOUS = {
    "U": "T",
    "R": "AG",
    "Y": "CT",
    "S": "CG",
    "W": "AT",
    "K": "GT",
    "M": "AC",
    "B": "CGT",
    "D": "AGT",
    "H": "ACT",
    "V": "ACG",
    "N": "ACGT",
}
GAP = 0


def base_table() -> np.ndarray:
    """Bits of each byte of a nucleotide sequence (256,) uint8: GAP for `-`, ILLEGAL for what is no nucleotide."""
    table = np.full(256, ILLEGAL, np.uint8)
    for residue, bases in {**{base: base for base in BASES}, **AMBIGUOUS}.items():
        bits = sum(1 << BASES.index(base) for base in bases)
        table[[ord(residue), ord(residue.lower())]] = bits
    table[ord("-")] = GAP
    return table


def codon_table() -> np.ndarray:
    """Token of each codon (4096,) uint8, at 256 first + 16 second + third nucleotide's bits; STOP for a stop."""
    code = {codon: AMINO_ACIDS[i] for i, codon in enumerate(product(range(4), repeat=3))}
    protein, table = ALPHABETS["protein"], np.full(4096, X, np.uint8)
    readings = [[base for base in range(4) if bits >> base & 1] for bits in range(16)]
    for bits in product(range(1, 16), repeat=3):
        residues = {code[codon] for codon in product(*(readings[b] for b in bits))}
        if len(residues) == 1:
            residue = residues.pop()
            token = STOP if residue == "*" else int(protein.encode(residue)[0])
            table[bits[0] << 8 | bits[1] << 4 | bits[2]] = token
    return table


BITS, CODONS = base_table(), codon_table()


def translate(genes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Tokens (total,) uint8 of the proteins of m aligned genes one behind the other, and lengths (m,) int64.

    genes : ASCII residues (m, g) uint8, g a multiple of three. Gaps are taken out; where a run of them is no multiple
    of three the frame is lost, and where a residue is no nucleotide nothing is known: such a gene's length is 0.
    Further returned: which these are, frameshift (m,) bool and illegal (m,) bool.
    """
    bits = BITS[genes]
    illegal = (bits == ILLEGAL).any(1)
    frameshift = np.zeros(len(bits), bool)
    gap = bits == GAP
    if len(some := np.flatnonzero(gap.any(1))):
        edge = np.diff(gap[some].view(np.int8), axis=1, prepend=np.int8(0), append=np.int8(0))
        row, start = np.nonzero(edge == 1)
        stop = np.nonzero(edge == -1)[1]  # row by row, as the starts
        frameshift[some[row[(stop - start) % 3 != 0]]] = True
    read = ~(illegal | frameshift)
    codons = bits[read][~gap[read]].reshape(-1, 3).astype(np.uint16)
    lengths = np.zeros(len(bits), np.int64)
    lengths[read] = (genes.shape[1] - gap[read].sum(1)) // 3
    tokens = CODONS[codons[:, 0] << np.uint16(8) | codons[:, 1] << np.uint16(4) | codons[:, 2]]
    return tokens, lengths, frameshift & ~illegal, illegal
