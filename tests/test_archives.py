"""Archives that mean no good, or were damaged: nothing of them is unpacked, and nothing outside their directory."""

import gzip
import io
import random
import stat
import tarfile
import zipfile

import pytest

from gde.archives import extract
from gde.errors import GdeError

FILES = {"readme.txt": b"hello", "data/a.bin": random.Random(0).randbytes(3000), "data/deep/b.bin": b""}
LIMIT = 10_000


def tar_of(path, members, mode="w:gz"):
    """members: name -> bytes, or a TarInfo that is added as it is; a list may name one twice."""
    with tarfile.open(path, mode) as tar:
        for name, content in members.items() if isinstance(members, dict) else members:
            info = content if isinstance(content, tarfile.TarInfo) else tarfile.TarInfo(name)
            data = content if isinstance(content, bytes) else b""
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def zip_of(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as z:
        for name, content in members.items():
            z.writestr(name, content)
    return path


def special(kind, name="x", target=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def names(directory):
    return {str(p.relative_to(directory)) for p in directory.rglob("*")}


@pytest.mark.parametrize("kind", ["w", "w:gz", "w:bz2", "w:xz", "zip"])
def test_round_trip(tmp_path, kind):
    """Whole files, ordinary modes, and no other archive's before them."""
    archive = tmp_path / "x"
    zip_of(archive, FILES) if kind == "zip" else tar_of(archive, FILES, kind)
    (tmp_path / "out").mkdir()
    (tmp_path / "out/old").write_text("old")
    extract(archive, tmp_path / "out", limit=sum(map(len, FILES.values())))
    found = {str(p.relative_to(tmp_path / "out")): p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file()}
    assert found == FILES and names(tmp_path) - {f"out/{n}" for n in names(tmp_path / "out")} == {"x", "out"}
    assert not any(p.stat().st_mode & 0o111 for p in (tmp_path / "out").rglob("*") if p.is_file())


def test_modes_and_directories_of_a_tar(tmp_path):
    program = tarfile.TarInfo("./bin/run")
    program.mode = 0o6777
    directory = special(tarfile.DIRTYPE, "empty/")
    extract(tar_of(tmp_path / "x", {"1": program, "2": directory}), tmp_path / "out", limit=LIMIT)
    assert names(tmp_path / "out") == {"bin", "bin/run", "empty"}
    assert stat.S_IMODE((tmp_path / "out/bin/run").stat().st_mode) & 0o7111 == 0


HOSTILE = {
    "absolute": ({"/tmp/evil": b"x"}, "could leave"),
    "parent": ({"../evil": b"x"}, "could leave"),
    "parent inside": ({"a/../../evil": b"x"}, "could leave"),
    "backslash": ({"..\\evil": b"x"}, "could leave"),
    "line break": ({"a\nb": b"x"}, "could leave"),
    "long name": ({"a" * 300: b"x"}, "could leave"),
    "symbolic link": ({"x": special(tarfile.SYMTYPE, target="/etc/passwd")}, "a link or device"),
    "symbolic link inside": ({"a": b"x", "x": special(tarfile.SYMTYPE, target="a")}, "a link or device"),
    "hard link": ({"x": special(tarfile.LNKTYPE, target="../../etc/passwd")}, "a link or device"),
    "device": ({"x": special(tarfile.CHRTYPE)}, "a link or device"),
    "pipe": ({"x": special(tarfile.FIFOTYPE)}, "a link or device"),
    "twice": ([("a", b"1"), ("a", b"2")], "a second file of this name"),
    "file and directory": ({"a": b"1", "a/b": b"2"}, "a second file of this name"),
    "directory and file": ([("a/b", b"2"), ("a", b"1")], "a second file of this name"),
    "bomb": ({"zeros": bytes(10_000_000)}, "found more than 10000 bytes in it, expected at most 10000"),
    "many small": ({f"{i}": b"x" * 999 for i in range(11)}, "found more than 10000 bytes in it"),
    "many empty": ({f"{i}": b"" for i in range(101)}, "found more than 100 files"),
    "empty": ({}, "an archive without files"),
}


@pytest.mark.parametrize(("members", "said"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_tars(tmp_path, members, said):
    work = tmp_path / "a/b/c"
    work.mkdir(parents=True)
    with pytest.raises(GdeError, match=said) as e:
        extract(tar_of(work / "x.tar.gz", members), work / "out", limit=LIMIT, files=100)
    assert len(str(e.value)) < 1000 and names(tmp_path) == {"a", "a/b", "a/b/c", "a/b/c/x.tar.gz"}


def zip_link():
    info = zipfile.ZipInfo("x")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"/tmp/evil": b"x"}, "could leave"),
        ({"../evil": b"x"}, "could leave"),
        ({zip_link(): b"/etc/passwd"}, "a link or device"),
        ({"zeros": bytes(10_000_000)}, "more than 10000 bytes"),
        ({"a": b"1", "a/b": b"2"}, "a second file of this name"),
    ],
    ids=["absolute", "parent", "link", "bomb", "file and directory"],
)
def test_hostile_zips(tmp_path, members, said):
    with pytest.raises(GdeError, match=said):
        extract(zip_of(tmp_path / "x.zip", members), tmp_path / "out", limit=LIMIT)
    assert names(tmp_path) == {"x.zip"}


def test_a_zip_that_lies_about_its_size(tmp_path):
    """The size that a member states is not what is counted."""
    data = bytearray(zip_of(tmp_path / "x.zip", {"zeros": bytes(1_000_000)}).read_bytes())
    stated = (1_000_000).to_bytes(4, "little")
    while (i := data.find(stated)) >= 0:
        data[i : i + 4] = (10).to_bytes(4, "little")
    (tmp_path / "x.zip").write_bytes(data)
    with pytest.raises(GdeError, match=r"a damaged archive|more than"):
        extract(tmp_path / "x.zip", tmp_path / "out", limit=LIMIT)
    assert names(tmp_path) == {"x.zip"}


def damaged(data: bytes):
    """Cut at many places; with bytes in the middle of it overwritten."""
    for cut in (0, 1, 3, 100, len(data) // 2, len(data) - 40, len(data) - 1):
        yield f"cut at {cut}", data[:cut]
    for i in (0, 120, len(data) // 3, len(data) // 2):
        yield f"overwritten at {i}", data[:i] + bytes(b ^ 0xA5 for b in data[i : i + 20]) + data[i + 20 :]


@pytest.mark.parametrize("kind", ["w", "w:gz", "w:bz2", "w:xz", "zip"])
def test_damage_is_found_where_the_format_can_tell(tmp_path, kind):
    """A plain tar has no checksum of what its files hold: there, the wrong bytes have the right names and sizes."""
    archive = tmp_path / "x"
    zip_of(archive, FILES) if kind == "zip" else tar_of(archive, FILES, kind)
    data = archive.read_bytes().rstrip(b"\0") + bytes(1024) if kind == "w" else archive.read_bytes()
    for what, broken in damaged(data):
        archive.write_bytes(broken)
        blind = kind == "w" and (what.startswith("overwritten") or what in (f"cut at {len(data) - n}" for n in (1, 40)))
        if blind and what != "overwritten at 0" and what != "overwritten at 120":
            continue
        with pytest.raises(GdeError):
            extract(archive, tmp_path / "out", limit=LIMIT)
        assert names(tmp_path) == {"x"}, what


def test_a_tar_cut_between_two_files(tmp_path):
    """Python's own reader takes it for whole."""
    whole = gzip.decompress(tar_of(tmp_path / "x", {"a": b"1", "b": b"2"}).read_bytes())
    (tmp_path / "x").write_bytes(gzip.compress(whole[:1024]))
    with pytest.raises(GdeError, match="damaged archive"):
        extract(tmp_path / "x", tmp_path / "out", limit=LIMIT)


def test_no_archive(tmp_path):
    with pytest.raises(GdeError, match="no such file"):
        extract(tmp_path / "x", tmp_path / "out", limit=LIMIT)
    (tmp_path / "x").write_text("<html>")
    with pytest.raises(GdeError, match="a damaged archive"):
        extract(tmp_path / "x", tmp_path / "out", limit=LIMIT)
