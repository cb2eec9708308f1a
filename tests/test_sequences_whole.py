"""Sets of sequences all the way: trained, continued, embedded with their weights, generated, written as FASTA."""

import gzip
import logging
import shutil

import numpy as np
import pytest
import tiny
import torch
from Bio import SeqIO
from tokens import sequences, store_of

from gde.checkpoint import list_checkpoints
from gde.cli import main
from gde.embed import embed_data, embed_store, embed_to_h5ad
from gde.errors import GdeError
from gde.files.sealed_gzip import read_about
from gde.files.seals import check_seal
from gde.model import GDE
from gde.readers.sealed_h5ad import read_anndata
from gde.runs.canonical import canonical_digest
from gde.sample import draw, sample_anndata, sample_test_sets
from gde.sets.source import make_sampler, model_sections
from gde.sets.types.alphabet import ALPHABETS
from gde.tl.comparison import compare_samples
from gde.training import train

pytestmark = pytest.mark.usefixtures("no_fsync")
DNA, LENGTH = ALPHABETS["dna"], 12
ENCODER = {"kind": "dna_conv", "hidden": 8, "layers": 1, "kernel": 3}
HYENA = {"kind": "hyenadna", "hidden": 8, "layers": 1, "filter_hidden": 4}
OTHERS = {"gpt": {"kind": "gpt", "hidden": 8, "layers": 1, "heads": 2}, "dna_vae": {"kind": "dna_vae", "hidden": 8}}


def experiment(changes=None, **options):
    data = {"kind": "sequences", "path": "mine.fasta", "groupby": ["tissue"]}
    changes = {"encoder": ENCODER, "generator": HYENA, **(changes or {})}
    return tiny.experiment(changes, name="mine", dataset=data, evaluation={"kind": "sequences"}, **options)


def patterned(code: np.ndarray) -> np.ndarray:
    """Sequences of one frequent residue each, by the number of their group."""
    x = sequences(len(code), LENGTH, shortest=4)
    frequent = np.random.default_rng(1).random(x.shape) < 0.7
    return np.where((x > 0) & frequent, code[:, None] % 4 + 1, x).astype(np.uint8)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Eight groups of 20 to 34 sequences with weights 1 to 4, in order, and two kinds."""
    code = np.repeat(np.arange(8), np.arange(20, 36, 2))
    path = tmp_path_factory.mktemp("sequences") / "sets"
    splits = ["train"] * 4 + ["validation"] * 2 + ["test"] * 2
    weight = np.random.default_rng(2).integers(1, 5, len(code))
    columns = {"kind": list("abababab"), "level": [0, 1, 2, 3] * 2}
    return store_of(patterned(code), code, path, splits=splits, weight=weight, **columns)


CASES = {
    "groups": {},
    "mixtures": {"mixer": {"kind": "dirichlet_k", "k": 2}, "objective": {"kind": "classification", "label": "kind"}},
    "neighbours": {"mixer": {"kind": "neighbours", "along": "level"},
                   "objective": {"kind": "ordered", "order_by": "level"}},
    **{kind: {"generator": section} for kind, section in OTHERS.items()},
}  # fmt: skip


@pytest.fixture(scope="module", params=CASES.values(), ids=CASES)
def trained(request, store, tmp_path_factory):
    config = experiment(request.param | {"training.keep_every": 4, "training.steps": 12})
    run = tmp_path_factory.mktemp("run")
    model, _ = train(config, store, run, device=tiny.CPU)
    return config, run, model


@pytest.fixture(scope="module")
def model_dir(store, tmp_path_factory):
    """A model of random weights, saved."""
    torch.manual_seed(0)
    config = experiment() | model_sections(store, experiment()) | {"run": "mine-00000000"}
    model = tiny.perturb(GDE(config, mean=store.meta["mean"], scale=store.meta["scale"]))
    path = tmp_path_factory.mktemp("model") / "model"
    model.save(path)
    return path


def test_a_continued_training_is_the_one_that_never_stopped(trained, store, tmp_path, caplog):
    config, run, model = trained
    shutil.copytree(run, tmp_path / "run")
    for checkpoint in list_checkpoints(tmp_path / "run/checkpoints"):
        if checkpoint.name > "step-000000004":
            shutil.rmtree(checkpoint)
    with caplog.at_level(logging.INFO):
        again, _ = train(config, store, tmp_path / "run", device=tiny.CPU)
    assert "resumed at step 4 of 12" in caplog.text
    assert tiny.weights(again) == tiny.weights(model)


def test_models_know_their_letters_and_give_tokens(trained, store, tmp_path):
    _, _, model = trained
    assert model.config["tokens"] == {"alphabet": "dna", "length": LENGTH}
    model.save(tmp_path / "model")
    loaded = GDE.load(tmp_path / "model")
    z, se = embed_store(loaded, store)
    assert np.isfinite(z).all() and (se > 0).all()
    x = loaded.sample(torch.from_numpy(z), 5, generator=torch.Generator().manual_seed(0))
    assert x.shape == (8, 5, LENGTH) and x.dtype == torch.uint8 and x.max() <= DNA.size
    assert all(DNA.decode(x.numpy()))
    with pytest.raises(GdeError, match=r"x: found values of type torch.uint8 up to 6, expected tokens of type uint8"):
        loaded.encode(torch.full((1, 2, LENGTH), 6, dtype=torch.uint8))
    with pytest.raises(GdeError, match=r"x: found values of type torch.float32"):
        loaded.encode(torch.ones(1, 2, LENGTH))


def test_batches_carry_weights_and_the_shares_they_make(store):
    config = experiment(CASES["mixtures"])
    batch = make_sampler(store, config, only=None, device=tiny.CPU)(0)
    assert batch.x.dtype == torch.uint8 and batch.weight.min() >= 1 and len(batch.weight.unique()) == 4
    kind = (store.groups["kind"] == "a").to_numpy()[store.select("train")]
    for x, weight, mix, label in zip(batch.x, batch.weight, batch.mix, batch.label, strict=True):
        share = np.zeros(len(mix))
        for sequence, w in zip(x.numpy(), weight.numpy(), strict=True):
            own = [(store.read(g) == sequence).all(1).any() for g in store.select("train")]
            share += w * np.array(own) / sum(own)
        if all(len(np.unique(store.read(g), axis=0)) == store.sizes[g] for g in store.select("train")):
            np.testing.assert_allclose(mix, share / weight.sum().item(), atol=1e-5)
        np.testing.assert_allclose(label[0], mix[torch.from_numpy(kind)].sum(), atol=1e-6)


# Embedding


@pytest.mark.parametrize("rows", [None, 1000, 25, 3])
def test_a_weight_of_two_is_the_sequence_twice(store, model_dir, tmp_path, rows):
    """Whole, padded together and streamed; in groups of their true sizes."""
    model = GDE.load(model_dir)
    code = np.repeat(np.arange(8), store.sizes)
    x, weight = (np.concatenate([read(g) for g in range(8)]) for read in (store.read, store.read_weights))
    repeats = weight.astype(int)
    twice = store_of(np.repeat(x, repeats, 0), np.repeat(code, repeats), tmp_path / "twice")
    expected, _ = embed_store(model, twice, se=False, rows_at_once=10**6)
    z, _ = embed_store(model, store, se=False, rows_at_once=rows)
    np.testing.assert_allclose(z, expected, rtol=1e-4, atol=1e-5)
    unweighted, _ = embed_store(model, store_of(x, code, tmp_path / "once"), se=False)
    assert np.abs(unweighted - expected).max() > 1e-3


def test_standard_errors_do_not_depend_on_the_memory(store, model_dir):
    model = GDE.load(model_dir)
    _, se = embed_store(model, store, rows_at_once=10**6)
    _, streamed = embed_store(model, store, rows_at_once=40)
    np.testing.assert_allclose(streamed, se, rtol=1e-3, atol=1e-4)


def test_long_sequences_go_through_in_smaller_pieces(model_dir, store, monkeypatch):
    from gde import embed

    model, seen, pieces = GDE.load(model_dir), [], []
    forward, stage = model.encoder.forward, model.encoder.stage
    monkeypatch.setattr(model.encoder, "forward", lambda x, **k: seen.append(x[..., 0].numel()) or forward(x, **k))
    assert embed.default_rows(model) == embed.TOKENS_AT_ONCE // LENGTH
    at_once = embed.default_rows(model, residues=40 * LENGTH)
    embed_store(model, store, se=False, rows_at_once=at_once)
    assert 0 < max(seen) <= at_once == 40
    monkeypatch.setattr(embed, "TOKENS_PIECE", 5 * LENGTH)
    monkeypatch.setattr(model.encoder, "stage", lambda k, x, *a: pieces.append(x.shape[1]) or stage(k, x, *a))
    embed_store(model, store, se=False, rows_at_once=10)
    assert max(pieces) == 5


def test_groups_of_sequences_are_compared(store, model_dir):
    model = GDE.load(model_dir)
    for exact in (False, True):
        table = compare_samples(model, store, ["g6", "g7"], permutations=19, exact=exact)
        assert 0 < table["p_value"].item() <= 1 and table.attrs["groups"]["g6"]["samples"] == 32
    other = tiny.store_of([np.zeros((5, LENGTH), np.float32)] * 2, store.path.parent / "vectors")
    with pytest.raises(GdeError, match=r"found samples of shape \(12,\), vectors, expected \(12,\), sequences of dna"):
        compare_samples(model, other, ["g0", "g1"])


# Samples


@pytest.fixture(scope="module")
def made(store, model_dir, tmp_path_factory):
    here = tmp_path_factory.mktemp("made")
    embed_to_h5ad(model_dir, store.path, here / "embeddings.h5ad", device=tiny.CPU)
    sample_test_sets(model_dir, here / "embeddings.h5ad", here / "samples.fasta.gz", device=tiny.CPU, at_most=30)
    return here


def test_samples_are_fasta_that_says_what_they_were_made_for(made, model_dir):
    with gzip.open(made / "samples.fasta.gz", "rt") as f:
        records = list(SeqIO.parse(f, "fasta"))
    assert len(records) == 60
    fields = [dict(pair.split("=") for pair in r.id.split(";")) for r in records]
    assert [f["set"] for f in fields] == ["g6"] * 30 + ["g7"] * 30
    assert [int(f["i"]) for f in fields] == [*range(30)] * 2
    assert {(f["kind"], f["level"], f["seed"], f["run"]) for f in fields} == {
        ("a", "2", "0", "mine-00000000"),
        ("b", "3", "0", "mine-00000000"),
    }
    model, z = GDE.load(model_dir), read_anndata(made / "embeddings.h5ad")
    expected = [s for _, x in draw(model, z[z.obs["split"] == "test"].copy(), 30, 0) for s in DNA.decode(x)]
    assert [str(r.seq) for r in records] == expected
    assert all(0 < len(s) <= LENGTH for s in expected)


def test_the_file_says_where_it_is_from_and_notices_damage(made, model_dir, store, tmp_path):
    path = made / "samples.fasta.gz"
    about = read_about(path)
    assert about["run"] == "mine-00000000"
    assert about["provenance"]["inputs"]["embeddings"] == canonical_digest(made / "embeddings.h5ad")
    assert about["provenance"]["inputs"]["model"] == GDE.load(model_dir).digest
    again = tmp_path / "again.fasta.gz"
    sample_test_sets(model_dir, made / "embeddings.h5ad", again, device=tiny.CPU, at_most=30)
    assert again.read_bytes() == path.read_bytes()
    data = path.read_bytes()
    for at in (15, 400, len(data) // 2, len(data) - 3):
        again.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        with pytest.raises(GdeError, match="damaged"):
            check_seal(again)
    again.write_bytes(data[: len(data) // 2])
    with pytest.raises(GdeError, match="damaged"):
        read_about(again)


def test_canonical_digests_are_of_the_content(made, tmp_path):
    """Another compressor's bytes of the same sequences and record are the same result."""
    from gde.files.sealed_gzip import write_gzip

    path, text = made / "samples.fasta.gz", gzip.decompress((made / "samples.fasta.gz").read_bytes())
    about = read_about(path)
    about["provenance"]["environment"]["host"] = "elsewhere"
    with write_gzip(tmp_path / "a.fasta.gz", about) as f:
        for i in range(0, len(text), 100):
            f.write(text[i : i + 100])
    assert gzip.decompress((tmp_path / "a.fasta.gz").read_bytes()) == text
    assert canonical_digest(tmp_path / "a.fasta.gz") == canonical_digest(path)
    about["run"] = "another"
    with write_gzip(tmp_path / "b.fasta.gz", about) as f:
        f.write(text)
    assert canonical_digest(tmp_path / "b.fasta.gz") != canonical_digest(path)


def test_blocks_for_faidx_hold_the_same_sequences(made, model_dir, tmp_path, capsys):
    pysam = pytest.importorskip("pysam")
    for name, option in (("a", []), ("b", ["--bgzip"])):
        out = str(tmp_path / f"{name}.fasta.gz")
        assert main(["sample", str(model_dir), str(made / "embeddings.h5ad"), "-n", "3", "-o", out, *option]) == 0
    a, b = tmp_path / "a.fasta.gz", tmp_path / "b.fasta.gz"
    assert gzip.decompress(a.read_bytes()) == gzip.decompress(b.read_bytes())
    assert read_about(a) == read_about(b) and canonical_digest(a) == canonical_digest(b)
    pysam.faidx(str(b))
    with pysam.FastaFile(str(b)) as f, gzip.open(a, "rt") as g:
        assert {r.id: str(r.seq) for r in SeqIO.parse(g, "fasta")} == {name: f.fetch(name) for name in f.references}


def test_names_in_headers_are_one_word(made, model_dir, tmp_path):
    from gde.sample import sample_to_file

    model, z = GDE.load(model_dir), read_anndata(made / "embeddings.h5ad")[:2].copy()
    z.obs["kind"] = z.obs["kind"].astype(str)
    z.obs["kind"] = ["left lung; 50%", "Zürich=x|y/z"]
    sample_to_file(model, z, made / "embeddings.h5ad", tmp_path / "x.fasta.gz", n=1, seed=3)
    with gzip.open(tmp_path / "x.fasta.gz", "rt") as f:
        headers = [line for line in f if line.startswith(">")]
    assert "kind=left%20lung%3B%2050%25;" in headers[0]
    assert "kind=Z%C3%BCrich%3Dx|y/z;" in headers[1]
    assert all(h.strip().isascii() and " " not in h for h in headers)
    with pytest.raises(GdeError, match=r"a file name that ends in \.fasta\.gz"):
        sample_to_file(model, z, made / "embeddings.h5ad", tmp_path / "x.h5ad", n=1, seed=3)
    with pytest.raises(GdeError, match="model: found one of sequences"):
        sample_anndata(model, z, 1, 0)


# The command line


@pytest.fixture
def fasta(store, tmp_path):
    """The sequences of all groups, with tissue and donor in the headers."""
    path = tmp_path / "mine.fasta"
    lines = []
    for g in range(8):
        for i, text in enumerate(DNA.decode(store.read(g))):
            lines.append(f">s{g}.{i} tissue=t%20{g // 2};donor=d{g % 2}\n{text[:5]}\n{text[5:]}".rstrip("\n"))
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_fasta_file_is_embedded_by_its_headers(fasta, model_dir, store, tmp_path, capsys):
    out = tmp_path / "z.h5ad"
    assert main(["embed", str(model_dir), str(fasta), "--groupby", "tissue", "donor", "-o", str(out)]) == 0
    assert "8 embeddings of length 4" in capsys.readouterr().out
    z = read_anndata(out)
    assert list(z.obs_names) == [f"t {g // 2}|d{g % 2}" for g in range(8)]
    assert list(z.obs["tissue"]) == [f"t {g // 2}" for g in range(8)]
    assert z.obs["n_samples"].tolist() == store.sizes.tolist()
    groups = [store.read(g) for g in range(8)]
    once = store_of(np.concatenate(groups), np.repeat(np.arange(8), store.sizes), tmp_path / "once")
    np.testing.assert_allclose(z.X, embed_store(GDE.load(model_dir), once)[0], rtol=1e-4, atol=1e-5)
    assert z.uns["gde"]["run"] == "mine-00000000"


def test_a_table_is_embedded_with_its_weights(model_dir, store, tmp_path):
    rows = ["reads;".strip(";") + "\tseq\tgroup"]
    for g in range(8):
        rows += [f"{int(w)}\t{s}\tg{g}" for w, s in zip(store.read_weights(g), DNA.decode(store.read(g)), strict=True)]
    table = tmp_path / "mine.tsv.gz"
    table.write_bytes(gzip.compress("\n".join([*rows, ""]).encode()))
    model = GDE.load(model_dir)
    z = embed_data(model, table, "group", sequence="seq", weight="reads")
    np.testing.assert_allclose(z.X, embed_store(model, store)[0], rtol=1e-4, atol=1e-5)
    assert embed_data(model, table, sequence="seq").n_obs == 1


def test_the_models_own_fields_are_the_default(fasta, model_dir, tmp_path):
    for name, arguments in (("a.h5ad", []), ("b.h5ad", ["--groupby", "tissue"])):
        assert main(["embed", str(model_dir), str(fasta), *arguments, "-o", str(tmp_path / name)]) == 0
    a, b = (read_anndata(tmp_path / name) for name in ("a.h5ad", "b.h5ad"))
    assert list(a.obs_names) == list(b.obs_names) and (a.X == b.X).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--groupby", "tisue"], "tisue"),
        (["--layer", "counts"], "--layer: found a model of sequences"),
        (["--cells"], "--cells: found a model of sequences"),
        (["--groupby", "size"], "the column name 'size'"),
    ],
)
def test_what_does_not_fit_a_file_of_sequences_is_refused(fasta, model_dir, tmp_path, capsys, arguments, message):
    assert main(["embed", str(model_dir), str(fasta), *arguments, "-o", str(tmp_path / "z.h5ad")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "z.h5ad").exists()


def test_longer_sequences_are_refused_cut_or_left_out(model_dir, tmp_path, capsys):
    path = tmp_path / "long.fa"
    path.write_text(">a\nACGT\n>b\n" + "ACGT" * 4 + "\n>c\nTTTT\n")
    options = ["-o", str(tmp_path / "z.h5ad"), "--groupby"]
    assert main(["embed", str(model_dir), str(path), *options]) == 2
    error = capsys.readouterr().err
    assert "record 2 (b): found 16 residues, expected at most" in error and "give --too-long cut or drop" in error
    for too_long, n in (("cut", 3), ("drop", 2)):
        assert main(["embed", str(model_dir), str(path), "--too-long", too_long, *options]) == 0
        assert read_anndata(tmp_path / "z.h5ad").obs["n_samples"].tolist() == [n]


def test_groups_of_a_file_are_compared(fasta, model_dir, capsys):
    arguments = ["t 0", "t 3", "--groupby", "tissue", "--permutations", "19"]
    assert main(["compare-groups", str(model_dir), str(fasta), *arguments]) == 0
    assert "p_value" in capsys.readouterr().out


def test_options_of_sequences_are_not_for_cells(cells_store, cells_h5ad, tmp_path, capsys):
    tiny.model_for(cells_store, tiny.cells_experiment(cells_h5ad)).save(tmp_path / "model")
    arguments = [str(cells_h5ad), "--groupby", "donor", "--fields", "key=value", "-o", str(tmp_path / "z.h5ad")]
    assert main(["embed", str(tmp_path / "model"), *arguments]) == 2
    assert "--fields: found a model of vectors" in capsys.readouterr().err
    (tmp_path / "mine.fasta").write_text(">a tissue=skin\nACGT\n")
    with pytest.raises(GdeError, match=r"mine\.fasta: found .*, expected .*\.h5ad"):
        embed_data(GDE.load(tmp_path / "model"), tmp_path / "mine.fasta")
