"""Fields of headers: every byte of a header is in its name, in words about it, or in a field."""

import re

import pytest

from gde.readers.header_fields import NoFit, header_parser, key_values

UNIPROT = "sp|P01942|HBA_MOUSE Hemoglobin subunit alpha OS=Mus musculus OX=10090 GN=Hba PE=1 SV=2"


@pytest.mark.parametrize(
    ("header", "fields"),
    [
        ("s1 donor=a;tissue=left%20lung", {"name": "s1", "donor": "a", "tissue": "left lung"}),
        ("s1 donor=a; tissue=left lung; n=3", {"name": "s1", "donor": "a", "tissue": "left lung", "n": "3"}),
        (UNIPROT, {"name": "sp|P01942|HBA_MOUSE", "OS": "Mus musculus", "OX": "10090", "GN": "Hba", "PE": "1",
                   "SV": "2"}),
        ("P0 OS=Mus caroli", {"name": "P0", "OS": "Mus caroli"}),
        ("s1;size=3;", {"name": "s1", "size": "3"}),
        ("s1|donor=a|tissue=b", {"name": "s1", "donor": "a", "tissue": "b"}),
        ("donor=a;n=1", {"name": "donor=a;n=1", "donor": "a", "n": "1"}),
        ("s1 [organism=Mus musculus] [strain=C57BL/6] whole genome", {"name": "s1", "organism": "Mus musculus",
                                                                      "strain": "C57BL/6"}),
        ("s1 a=1=2 b=", {"name": "s1", "a": "1=2", "b": ""}),
        ("s1 some words", {"name": "s1"}),
        ("s1", {"name": "s1"}),
    ],
)  # fmt: skip
def test_key_values(header, fields):
    assert key_values(header) == fields


def test_species_of_two_words_stay_apart():
    species = ["Mus musculus", "Mus caroli", "Rattus norvegicus", "Homo sapiens (Human)"]
    headers = [UNIPROT.replace("Mus musculus", name) for name in species]
    assert [key_values(header)["OS"] for header in headers] == species


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("s1 a=1;a=2", "the field 'a' once"),
        ("s1;a=1;blood;b=2", "key=value behind each ';', which 'blood' is not"),
        ("s1 a=1|blood", "key=value behind each '|', which 'blood' is not"),
        ("s1 [a=1 [b=2]", "[a=...]"),
        ("s1 [a=1] blood [b=2]", "[a=...]"),
    ],
)
def test_what_is_in_no_field_is_refused(header, expected):
    with pytest.raises(NoFit, match=re.escape(expected)):
        key_values(header)


def test_a_pattern_fits_the_whole_header():
    parse, names = header_parser("{name} {donor}|{tissue}")
    assert names == ["name", "donor", "tissue"]
    assert parse("s1 D 1|left lung") == {"name": "s1", "donor": "D 1", "tissue": "left lung"}
    with pytest.raises(NoFit):
        parse("s1 D1")
