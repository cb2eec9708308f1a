"""Codons mean what Biopython says; gaps and residues that are none are seen."""

from itertools import product

import numpy as np
import pytest
from Bio.Seq import translate as by_biopython

from gde.prepare.virus_spikes import STOP
from gde.prepare.virus_translation import translate
from gde.sets.types.alphabet import ALPHABETS

PROTEIN = ALPHABETS["protein"]


def rows(*genes):
    return np.array([list(gene.encode()) for gene in genes], np.uint8)


def text(tokens):
    return "".join("*" if t == STOP else PROTEIN.symbols[t - 1] for t in tokens)


def test_every_codon_of_every_nucleotide_code_is_that_of_biopython():
    codons = ["".join(c) for c in product("ACGTURYSWKMBDHVN", repeat=3)]
    tokens, lengths, frameshift, illegal = translate(rows(*codons))
    assert (lengths == 1).all() and not frameshift.any() and not illegal.any()
    expected = "".join(map(by_biopython, codons))
    several = str.maketrans("BZJ", "XXX")  # two amino acids in one residue, which the alphabet has not
    assert text(tokens) == expected.translate(several)
    assert text(translate(rows(*(c.lower() for c in codons)))[0]) == text(tokens)


@pytest.mark.parametrize("seed", range(5))
def test_genes_with_gaps_are_those_without_them(seed):
    rng = np.random.default_rng(seed)
    genes = ["".join(rng.choice(list("ACGTNR"), 300)) for _ in range(20)]
    for i in range(10):
        at, n = rng.integers(0, 200), 3 * rng.integers(1, 20)
        genes[i] = genes[i][:at] + "-" * n + genes[i][at + n :]
    tokens, lengths, frameshift, _ = translate(rows(*genes))
    several = str.maketrans("BZJ", "XXX")
    assert text(tokens) == "".join(by_biopython(g.replace("-", "")).translate(several) for g in genes)
    assert not frameshift.any() and lengths.tolist() == [len(g.replace("-", "")) // 3 for g in genes]


@pytest.mark.parametrize(
    ("gene", "frameshift", "illegal"),
    [
        ("ATGAAATAA", False, False),
        ("ATG---TAA", False, False),
        ("AT---ATAA", False, False),
        ("---AAATAA", False, False),
        ("ATGAAA---", False, False),
        ("ATGAA-TAA", True, False),
        ("-TGAAA--A", True, False),  # a multiple of three in all, but not in each run
        ("ATGAAAT--", True, False),
        ("ATGJAATAA", False, True),
        ("ATG AATAA", False, True),
        ("A-GJAATAA", False, True),
        ("---------", False, False),
    ],
)
def test_lost_frames_and_other_letters_are_seen(gene, frameshift, illegal):
    good = "ATGGCATAA"
    tokens, lengths, shifted, wrong = translate(rows(good, gene, good))
    assert shifted.tolist() == [False, frameshift, False] and wrong.tolist() == [False, illegal, False]
    own = 0 if frameshift or illegal else len(gene.replace("-", "")) // 3
    assert lengths.tolist() == [3, own, 3] and len(tokens) == 6 + own
