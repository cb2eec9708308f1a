"""Time and memory of preparing data, with the plain route beside it, each in a process of its own.

python benchmarks/prepare.py [--quick] [--only mtx|h5ad|pat|gpra|spike] [--cells 2000 4000] [--genes N]
    [--full] [--no-plain]

Plain is scanpy for single cells, and a loop over the lines for reads (`pat`: --cells are reads, --genes residues
of the genome), promoters (`gpra`: --cells are promoters, --genes residues of each) and proteins (`spike`: --cells are
proteins of 1,273 residues; the loop is over Biopython's records).

Files are simulated in the layouts of the releases (tests/simulators). Several --cells show how memory grows. --full is
the size of the releases: 130,000 cells x 25,289 genes as MatrixMarket, 30,000 x 8,563 (1 GB) as dense .h5ad.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
FULL = {"mtx": (130_000, 25_289), "h5ad": (30_000, 8_563), "pat": (20_000_000, 50_000_000), "gpra": (34_000_000, 110)}
FULL |= {"spike": (10_000_000, 1273)}
SMALL = {"mtx": ([2000, 4000], 25_289), "h5ad": ([2000, 4000], 8_563), "pat": ([500_000, 2_000_000], 5_000_000)}
SMALL |= {"gpra": ([500_000, 2_000_000], 110), "spike": ([100_000, 400_000], 1273)}
UNITS = {"pat": ("reads", "letters"), "gpra": ("promoters", "letters"), "spike": ("proteins", "letters")}
QUICK = {"gpra": ([1200], 110), "spike": ([12_000], 1273)}
CLONE = 30  # cells of a clone
N_HVG, N_PCS = 2000, 50


def write(kind: str, folder: Path, cells: int, genes: int) -> Path:
    """The raw file that weighs, simulated; its companions beside it."""
    if kind in UNITS:
        return import_module(f"{kind}_reads").write(folder, cells, genes)
    if kind == "mtx":
        from simulators.lineage import simulate_lineage

        simulate_lineage(folder, clones=max(20, cells // CLONE), genes=genes, depth=9000.0, doublets=0.01)
        return folder / "stateFate_inVitro_normed_counts.mtx.gz"
    from simulators.perturb import simulate_perturb

    options = {"lines": ("K562",), "absent": 0.0, "duplicated": 0, "gem_groups": 8, "depth": 12_000.0}
    perturbed = max(10, (cells - cells // 20) // 100)
    simulate_perturb(folder, perturbed=perturbed, cells=95, controls=cells // 20, genes=genes, **options)
    return folder / "K562.h5ad"


def ours(kind: str, raw: Path, out: Path) -> None:
    """The store, as the workflow's rule writes it."""
    if kind in UNITS:
        return import_module(f"{kind}_reads").ours(raw, out)
    from gde.config.datasets.cells import LineageTracing, PerturbSeq

    if kind == "mtx":
        from gde.prepare.lineage_tracing import prepare

        cfg = LineageTracing(kind="lineage_tracing", folder=str(raw.parent), n_hvg=N_HVG, n_pcs=N_PCS)
    else:
        from gde.prepare.perturb_seq import prepare

        cfg = PerturbSeq(kind="perturb_seq", files={"K562": str(raw)}, n_hvg=N_HVG, n_pcs=N_PCS, scale=True)
    prepare(cfg.model_dump(), out, name="benchmark", seed=0)


def plain(kind: str, raw: Path, out: Path) -> None:
    """What a notebook does: the whole matrix in memory, then scanpy's steps, then a file; a loop over the reads."""
    if kind in UNITS:
        return import_module(f"{kind}_reads").plain(raw, out)
    import scanpy as sc

    adata = sc.read_mtx(raw) if kind == "mtx" else sc.read_h5ad(raw)
    if kind == "h5ad":
        sc.pp.normalize_total(adata, target_sum=1e4)
    sc.pp.log1p(adata)
    sc.pp.highly_variable_genes(adata, n_top_genes=N_HVG)
    adata = adata[:, adata.var["highly_variable"]].copy()
    sc.pp.scale(adata, max_value=10)
    sc.pp.pca(adata, n_comps=N_PCS)
    adata.write_h5ad(out)


def residues(kind: str, raw: Path, out: Path) -> None:
    """Of reads: only what the plain loop does, the way `ours` does it."""
    import_module(f"{kind}_reads").residues(raw, out)


def measured(route: str, kind: str, raw: Path, out: Path) -> dict[str, float]:
    """Seconds, processor seconds and peak memory (MB) of a route, from a new process."""
    command = [sys.executable, __file__, "--run", route, kind, str(raw), str(out)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{route} of {raw}: exit {done.returncode}\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def run(route: str, kind: str, raw: str, out: str) -> None:
    """In the process of `measured`: imports count in memory, not in time."""
    modules = {"ours": ["gde.prepare.lineage_tracing", "gde.prepare.perturb_seq"], "plain": ["scanpy"]}
    if kind in UNITS:
        own = {"pat": ["gde.prepare.methylation"], "gpra": ["gde.prepare.gpra", "pyarrow.csv"]}
        own = own.get(kind, ["gde.prepare.virus", "pyarrow"])
        modules = {"ours": own, "letters": own, "plain": ["numpy"]}
    for name in modules[route]:
        import_module(name)
    before = resource.getrusage(resource.RUSAGE_SELF)
    start = time.perf_counter()
    {"ours": ours, "letters": residues, "plain": plain}[route](kind, Path(raw), Path(out))
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    memory = {"imports": before.ru_maxrss / 1e3, "peak": after.ru_maxrss / 1e3}
    print(json.dumps({"seconds": time.perf_counter() - start, "cpu": cpu, **memory}))


def compare(kind: str, cells: int, genes: int, folder: Path, routes: list[str]) -> None:
    """One line for each route."""
    raw = write(kind, folder / "raw", cells, genes)
    size = raw.stat().st_size / 1e6
    rows, columns = UNITS.get(kind, ("cells", "genes"))
    print(f"{kind}: {cells} {rows} x {genes} {columns}, {size:.0f} MB on disk", flush=True)
    cpu = {}
    for route in routes:
        m = measured(route, kind, raw, folder / route)
        cpu[route] = m["cpu"]
        rate = f"{size / m['seconds']:.0f} and {size / m['cpu']:.0f} MB/s of file"
        rate = rate if kind not in UNITS else f"{cells / m['seconds']:,.0f} and {cells / m['cpu']:,.0f} {rows}/s"
        memory = f"peak {m['peak']:.0f} MB, {m['peak'] - m['imports']:.0f} over imports"
        print(f"  {route:6}: {m['seconds']:.1f} s, {m['cpu']:.1f} s of processor ({rate}); {memory}", flush=True)
    for route in cpu.keys() - {"plain"} if "plain" in cpu else ():
        print(f"  plain / {route}: {cpu['plain'] / cpu[route]:.1f} x the time of processor", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=sorted(FULL))
    parser.add_argument("--cells", type=int, nargs="+")
    parser.add_argument("--genes", type=int)
    parser.add_argument("--quick", action="store_true", help="tiny files: does it run?")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--keep", type=Path, help="folder for the files; default: a temporary one")
    parser.add_argument("--no-plain", action="store_true")
    parser.add_argument("--run", nargs=4, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.run:
        return run(*args.run)
    routes = ["ours"] if args.no_plain else ["ours", "plain"]
    for kind in [args.only] if args.only else sorted(FULL):
        sizes, genes = ([FULL[kind][0]], FULL[kind][1]) if args.full else SMALL[kind]
        sizes, genes = QUICK.get(kind, ([1200], 3000)) if args.quick else (sizes, genes)
        for cells in args.cells or sizes:
            with tempfile.TemporaryDirectory(dir=args.keep) as folder:
                more = ["letters"] if kind in UNITS and "plain" in routes else []
                compare(kind, cells, args.genes or genes, Path(folder), routes + more)


if __name__ == "__main__":
    main()
