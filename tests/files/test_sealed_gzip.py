"""Gzip with a record: every reader reads it, also strict ones; the record stands in a field, or beside blocks."""

import gzip
import json
import struct
import zlib
from pathlib import Path

import pytest

from gde.errors import GdeError
from gde.files.sealed_gzip import COMMENT, EXTRA, beside, read_about, write_gzip
from gde.files.seals import SEAL, SEAL_TEXT, check_seal, seal
from gde.runs.canonical import canonical_digest

TEXT = "".join(f">s{i}\n{'ACGT' * (i % 50 + 1)}\n" for i in range(5000)).encode()
ABOUT = {"run": "r-1", "provenance": {"inputs": {f"file{i}": "a" * 64 for i in range(20)}, "environment": {"n": 1}}}


def write(path: Path, **options) -> Path:
    with write_gzip(path, ABOUT, **options) as f:
        for i in range(0, len(TEXT), 1000):
            f.write(TEXT[i : i + 1000])
    return path


def as_it_was(path: Path) -> Path:
    """A file of the first form, whose record is a comment."""
    record = json.dumps({SEAL: SEAL_TEXT.removeprefix(f"{SEAL} "), **ABOUT})
    head = struct.pack("<2sBBLBB", b"\x1f\x8b", zlib.DEFLATED, COMMENT, 0, 0, 255) + record.encode() + b"\0"
    deflate = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    end = struct.pack("<LL", zlib.crc32(TEXT), len(TEXT))
    path.write_bytes(head + deflate.compress(TEXT) + deflate.flush() + end)
    seal(path)
    return path


def strictly(data: bytes) -> bytes:
    """The content, read as Go's compress/gzip does: 511 bytes of a name and of a comment, whole extra fields."""
    at, out = 0, b""
    while at < len(data):
        assert data[at : at + 3] == b"\x1f\x8b\x08"
        flags, at = data[at + 3], at + 10
        assert not flags & 0xE0, "reserved flags"
        if flags & EXTRA:
            (length,) = struct.unpack_from("<H", data, at)
            fields, at = data[at + 2 : at + 2 + length], at + 2 + length
            while fields:
                (size,) = struct.unpack_from("<H", fields, 2)
                assert len(fields) >= 4 + size
                fields = fields[4 + size :]
        for flag in (8, COMMENT):
            if flags & flag:
                end = data.index(b"\0", at)
                assert end - at <= 511, "gzip: invalid header"
                at = end + 1
        inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        part = inflate.decompress(data[at:]) + inflate.flush()
        at = len(data) - len(inflate.unused_data)
        assert struct.unpack_from("<LL", data, at) == (zlib.crc32(part), len(part))
        out, at = out + part, at + 8
    return out


@pytest.mark.parametrize("blocks", [False, True], ids=["gzip", "bgzf"])
def test_every_reader_reads_it(tmp_path, blocks):
    data = write(tmp_path / "s.fasta.gz", blocks=blocks).read_bytes()
    assert gzip.decompress(data) == strictly(data) == TEXT
    assert read_about(tmp_path / "s.fasta.gz") == ABOUT
    assert write(tmp_path / "again.fasta.gz", blocks=blocks).read_bytes() == data
    assert len(data) < 1.2 * len(zlib.compress(TEXT)) + len(json.dumps(ABOUT)) + 200


def test_the_first_form_is_still_read_and_the_same_result(tmp_path):
    old, new, blocks = as_it_was(tmp_path / "a.gz"), write(tmp_path / "b.gz"), write(tmp_path / "c.gz", blocks=True)
    assert read_about(old) == ABOUT and check_seal(old)
    with pytest.raises(AssertionError, match="invalid header"):
        strictly(old.read_bytes())
    assert canonical_digest(old) == canonical_digest(new) == canonical_digest(blocks)


def test_blocks_are_sought_in(tmp_path):
    pysam = pytest.importorskip("pysam")
    path = write(tmp_path / "s.fasta.gz", blocks=True)
    pysam.faidx(str(path))
    with pysam.FastaFile(str(path)) as f:
        assert f.nreferences == 5000 and f.fetch("s4949", 4, 10) == "ACGTAC"


@pytest.mark.parametrize("blocks", [False, True], ids=["gzip", "bgzf"])
@pytest.mark.parametrize(
    "change", [lambda d: d[:-9] + bytes([d[-9] ^ 1]) + d[-8:], lambda d: d[:-100]], ids=["bit", "cut"]
)
def test_damage_is_noticed(tmp_path, blocks, change):
    path = write(tmp_path / "s.gz", blocks=blocks)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(GdeError, match=r"s\.gz: found sha256"):
        read_about(path)


def test_a_record_that_is_not_there_is_named(tmp_path):
    path = write(tmp_path / "s.gz", blocks=True)
    beside(path).unlink()
    with pytest.raises(GdeError, match=r"s\.gz\.json: found no such file"):
        read_about(path)
    (tmp_path / "plain.gz").write_bytes(gzip.compress(TEXT))
    with pytest.raises(GdeError, match="no whole content_sha256"):
        read_about(tmp_path / "plain.gz")


def test_an_error_leaves_nothing(tmp_path):
    for blocks in (False, True):
        with pytest.raises(RuntimeError), write_gzip(tmp_path / "s.gz", ABOUT, blocks=blocks) as f:
            f.write(TEXT)
            raise RuntimeError
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_one_line(tmp_path, monkeypatch):
    pysam = pytest.importorskip("pysam")
    real = pysam.BGZFile
    monkeypatch.setattr(pysam, "BGZFile", lambda path, mode: real("/dev/full", mode))
    with pytest.raises(GdeError, match=r"s\.gz: found not written"):
        write(tmp_path / "s.gz", blocks=True)
    assert not list(tmp_path.iterdir())
