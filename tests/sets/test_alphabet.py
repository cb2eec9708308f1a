import numpy as np
import pytest

from gde.sets.alphabet import ALPHABETS, lengths

DNA = ALPHABETS["dna"]


def test_letters_are_numbered_from_one_in_either_case():
    assert DNA.size == 5
    assert DNA.encode("ACGTN").tolist() == [1, 2, 3, 4, 5]
    assert DNA.encode(b"acgtn").tolist() == [1, 2, 3, 4, 5]
    assert (DNA.table != 255).sum() == 10


@pytest.mark.parametrize("text", ["A", "ACGT", "NNNNGATTACA"])
def test_what_is_encoded_is_decoded(text):
    assert DNA.decode(DNA.encode(text)) == [text]
    assert DNA.decode(DNA.pad([text, text.lower()], 20)) == [text, text]


def test_sequences_end_at_the_first_zero():
    assert DNA.decode(np.array([[[1, 0, 2], [0, 1, 1]], [[4, 4, 4], [5, 0, 0]]])) == ["A", "", "TTT", "N"]
    assert lengths(np.array([[1, 0, 2], [0, 1, 1], [4, 4, 4]], np.uint8)).tolist() == [1, 0, 3]


@pytest.mark.parametrize(
    ("text", "found", "place"), [("ACXG", "'X'", 3), (b"\n", r"'\\n'", 1), ("AC-", "'-'", 3), ("GAT ", "' '", 4)]
)
def test_what_is_no_letter_is_named_with_its_place(text, found, place):
    with pytest.raises(ValueError, match=f"found {found} at position {place}, expected one of A, C, G, T, N"):
        DNA.encode(text)


def test_too_long_and_impossible_ones_are_refused():
    with pytest.raises(ValueError, match="sequence 2: found 5 letters, expected at most 4"):
        DNA.pad(["ACGT", "ACGTA"], 4)
    with pytest.raises(ValueError, match=r"found token 6, expected 0\.\.5"):
        DNA.decode(np.array([1, 6]))
