"""Rows are counted at the begin of files, and carried on."""

import gzip

import pandas as pd
import pytest

from gde.files import counts


@pytest.mark.parametrize("packed", [False, True])
def test_small_files_are_counted_and_large_ones_about(tmp_path, monkeypatch, packed):
    path = tmp_path / ("x.csv.gz" if packed else "x.csv")
    text = "".join(f"{i:06d},{i * i % 977:05d}\n" for i in range(20_000))
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    assert counts.about(path) == 20_000 and counts.table_rows(path) == 19_999
    monkeypatch.setattr(counts, "LOOKED_AT", len(text) // 3)
    assert counts.about(path) == pytest.approx(20_000, rel=0.25 if packed else 0.01)
    assert counts.about_all([path, path]) == 2 * counts.about(path)


def test_parquet_tells_and_unreadable_files_do_not(tmp_path):
    pd.DataFrame({"a": range(7)}).to_parquet(tmp_path / "x.parquet")
    assert counts.table_rows(tmp_path / "x.parquet") == 7
    (tmp_path / "bad.parquet").write_text("a,b\n")
    (tmp_path / "bad.gz").write_bytes(gzip.compress(b"a\n" * 1000)[:20])
    for name in ("none.csv", "none.parquet", "bad.parquet", "bad.gz"):
        assert counts.table_rows(tmp_path / name) is None
    assert counts.about_all([tmp_path / "none.csv"]) is None
