"""Experiments that go on from another one's settings."""

from pathlib import Path

import pytest

from gde.config import find_all, resolve, resolve_grids, run_id, training_slice
from gde.errors import GdeError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def own(tmp_path):
    """own(name=text, ...) writes experiment files and returns the directory that holds config/."""

    def write(**files: str) -> Path:
        folder = tmp_path / "config/experiments"
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / f"{name}.yaml").write_text(text)
        return tmp_path

    return write


def told(root: Path, name: str = "mine") -> str:
    with pytest.raises(GdeError) as e:
        resolve(name, {}, root)
    return str(e.value)


@pytest.mark.parametrize("preset", ["smoke", "laptop", "paper"])
@pytest.mark.parametrize("other", ["virus", "pbmc68k", "gmm"])
def test_an_empty_heir_has_the_settings_of_the_other(own, other, preset):
    root, config = own(mine=f"like: {other}\n"), {"preset": preset}
    mine, theirs = (resolve(name, config, root) for name in ("mine", other))
    assert mine.pop("like") == other and "like" not in theirs
    assert mine | {"name": other, "published": theirs["published"]} == theirs
    assert mine["published"] == {}


def test_own_keys_win_and_the_others_stay(own):
    text = "like: virus\ndataset: {sequences: spikes.fasta, source: gisaid}\nencoder: {hidden: 24}\nlatent_dim: 16\n"
    mine, theirs = (resolve(name, {}, own(mine=text)) for name in ("mine", "virus"))
    assert mine["dataset"] == theirs["dataset"] | {"sequences": "spikes.fasta", "source": "gisaid"}
    assert mine["encoder"] == theirs["encoder"] | {"hidden": 24} and mine["latent_dim"] == 16
    assert mine["training"] == theirs["training"]


def test_another_kind_takes_the_place(own):
    encoder = resolve("mine", {}, own(mine="like: pbmc68k\nencoder: {kind: attention}\n"))["encoder"]
    assert encoder["kind"] == "attention" and encoder["hidden"] != 64


def test_the_run_is_that_of_the_same_settings_written_out(own):
    written = (ROOT / "config/experiments/pbmc68k.yaml").read_text()
    ids = [run_id(resolve("mine", {}, own(mine=text)), "s", "c") for text in ("like: pbmc68k\n", written)]
    assert ids[0] == ids[1]
    assert "like" not in training_slice(resolve("mine", {}, own(mine="like: pbmc68k\n")))


def test_heirs_of_heirs_and_of_the_product_of_the_same_name(own):
    root = own(one="like: two\nlatent_dim: 5\n", two="like: gmm\nlatent_dim: 6\n")
    assert resolve("one", {}, root)["latent_dim"] == 5 and resolve("two", {}, root)["latent_dim"] == 6
    assert resolve("one", {}, root)["encoder"] == resolve("gmm", {}, ROOT)["encoder"]
    root = own(gmm="like: gmm\nlatent_dim: 7\n")
    assert resolve("gmm", {}, root)["latent_dim"] == 7
    assert resolve("two", {}, root)["latent_dim"] == 6


def test_presets_are_inherited_and_changed(own):
    root = own(mine="like: virus\npresets: {smoke: {training: {steps: 7}}}\n")
    mine, theirs = (resolve(name, {"preset": "smoke"}, root)["training"] for name in ("mine", "virus"))
    assert mine == theirs | {"steps": 7}


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"mine": "dataset: {}\nlike: virsu\n"}, "config/experiments/mine.yaml:2: like: found 'virsu', *did you mean"),
        ({"mine": "like: [virus]\n"}, "config/experiments/mine.yaml:1: like: found ['virus'], expected the name"),
        ({"mine": "like: mine\n"}, "mine.yaml:1: like: found 'mine', expected an experiment that does not lead back"),
        ({"mine": "like: bb\n", "bb": "\nlike: mine\n"}, "bb.yaml:2: like: found 'mine', *(mine -> bb -> mine)"),
        (
            {"mine": "like: virus\ndataset:\n  kind: h5ad\n  path: x.h5ad\n"},
            "mine.yaml:3: dataset.kind: found 'h5ad', expected 'virus', as in virus; remove `like`",
        ),
        ({"mine": "like: bb\nlatent_dim: 5\n", "bb": "dataset: {kind: mvn}\n\nlatent_dim: x\n"}, None),
        ({"mine": "like: bb\n", "bb": "dataset: {kind: mvn}\n\nlatent_dim: x\n"}, "experiments/bb.yaml:3: latent_dim:"),
        ({"mine": "like: virus\nencoder:\n  hiden: 3\n"}, "experiments/mine.yaml:3: encoder.hiden: found 'hiden'"),
    ],
)
def test_mistakes_are_told_where_they_stand(own, files, message):
    root = own(**files)
    if message is None:  # what is wrong is overwritten
        assert resolve("mine", {}, root)["latent_dim"] == 5
        return
    text, start = told(root), 0
    assert "\n" not in text
    for part in message.split("*"):
        assert part in text[start:], text
        start = text.index(part, start) + len(part)


def test_overrides_have_no_likes(own):
    with pytest.raises(GdeError, match=r"--config: mine\.like: .*move it to config/experiments/mine\.yaml"):
        resolve("mine", {"mine": {"like": "gmm"}}, own(mine="like: virus\n"))


def test_a_broken_heir_stops_only_itself(own):
    found = find_all({"experiments": ["gmm"]}, own(mine="like: nobody\n"))
    assert set(found.broken) == {"mine"} and not found.general


def test_grids_of_heirs(own):
    grids = {"gg": {"base": "mine", "axes": {"latent_dim": [2, 3]}, "metrics": ["reconstruction/w2"]}}
    cells = resolve_grids({"grids": grids}, own(mine="like: gmm\n"))["gg"].cells.values()
    assert [cell.resolved["latent_dim"] for cell in cells] == [2, 3]
    assert {cell.resolved["encoder"]["kind"] for cell in cells} == {resolve("gmm", {})["encoder"]["kind"]}
