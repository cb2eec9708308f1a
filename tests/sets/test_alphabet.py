import numpy as np
import pytest

from gde.sets.types.alphabet import ALPHABETS, lengths

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
    with pytest.raises(ValueError, match="sequence 2: found 5 symbols, expected at most 4"):
        DNA.pad(["ACGT", "ACGTA"], 4)
    with pytest.raises(ValueError, match=r"found token 6, expected 0\.\.5"):
        DNA.decode(np.array([1, 6]))


PROTEIN, TEXT = ALPHABETS["protein"], ALPHABETS["text"]


def test_every_alphabet_says_which_letters_are_known():
    assert (DNA.known, PROTEIN.known, TEXT.known) == (4, 20, 255)
    assert (DNA.unknown, PROTEIN.unknown, TEXT.unknown) == ("N", "X", "")
    assert PROTEIN.size == 21
    assert PROTEIN.encode("acX").tolist() == [1, 2, 21]
    with pytest.raises(ValueError, match="found 'B' at position 2"):
        PROTEIN.encode("AB")


@pytest.mark.parametrize("text", ["plain", "Käse, naïve", "子", "line\nline\ttab", "\x01\x7f", "🦠 virus"])
def test_texts_are_the_bytes_of_their_utf8(text):
    tokens = TEXT.encode(text)
    assert tokens.tobytes() == text.encode()
    assert TEXT.decode(TEXT.pad([text, text], 40)) == [text, text]
    assert TEXT.encode(text.encode()).tolist() == tokens.tolist()


def test_a_text_cut_inside_a_letter_or_drawn_by_a_model_is_still_read():
    cut = TEXT.encode("子")[:2]
    assert TEXT.decode(cut[None]) == ["\ufffd"]
    assert TEXT.decode(np.array([[255, 65, 0, 66]], np.uint8)) == ["\ufffdA"]


@pytest.mark.parametrize("given", ["a\0b", b"a\xffb"])
def test_what_stands_in_no_text_is_refused(given):
    with pytest.raises(ValueError, match="at position 2, expected bytes of UTF-8 text without NUL"):
        TEXT.encode(given)
    with pytest.raises(ValueError, match="surrogates not allowed"):
        TEXT.encode("\ud800")
