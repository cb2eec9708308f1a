"""Seconds of the batched distances beside a loop over pairs or sets, in the same run.

python benchmarks/distances.py [--quick]
"""

import argparse
import time
from collections.abc import Callable

import scipy.linalg
import torch

from gde.distances.gaussian import gaussian_w2_matrix
from gde.distances.mixture import mw2_matrix
from gde.distances.mmd import mmd
from gde.distances.sliced import sliced_w2


def seconds(function: Callable[[], object], repeats: int) -> float:
    """Best of `repeats` after one warm-up."""
    function()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def gaussians(b: int, d: int, df: int, g: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Means U(0, 5)^d and inverse-Wishart covariances: the distribution of the families."""
    normal = torch.randn(b, df, d, generator=g, dtype=torch.float64)
    return 5 * torch.rand(b, d, generator=g, dtype=torch.float64), torch.linalg.inv(normal.mT @ normal)


def matrix(repeats: int, timed_pairs: int, g: torch.Generator) -> None:
    b, d = 200, 20
    m, c = gaussians(b, d, 40, g)
    ours = seconds(lambda: gaussian_w2_matrix(m, c), repeats)
    roots = [scipy.linalg.sqrtm(s.numpy()).real for s in c]
    second = c.numpy()
    i, j = torch.randint(0, b, (2, timed_pairs), generator=g).tolist()

    def one_root_per_pair() -> None:
        for p, q in zip(i, j, strict=True):
            scipy.linalg.sqrtm(roots[p] @ second[q] @ roots[p])

    def formula_per_pair() -> None:
        for p, q in zip(i, j, strict=True):
            root = scipy.linalg.sqrtm(second[p]).real
            scipy.linalg.sqrtm(root @ second[q] @ root)

    print(f"gaussian_w2_matrix {b} x {b}, d={d}: {ours:.3f} s")
    pairs = b * (b - 1) // 2
    for name, loop in (
        ("one sqrtm per pair", one_root_per_pair),
        ("formula per pair: two sqrtm", formula_per_pair),
    ):
        each = seconds(loop, repeats) / timed_pairs
        for entries, count in (("all b^2 entries", b * b), ("b(b-1)/2 pairs", pairs)):
            print(
                f"  scipy, {name}, {entries}: {each * count:.2f} s extrapolated from {timed_pairs} timed pairs"
                f" ({each * 1e6:.0f} us each); ratio {each * count / ours:.1f}"
            )


def mixtures(repeats: int, g: torch.Generator) -> None:
    for d in (2, 5):
        m, c = gaussians(600, d, 40, g)
        w = torch.rand(200, 3, generator=g)
        taken = seconds(lambda: mw2_matrix(w, m.view(200, 3, d), c.view(200, 3, d, d)), repeats)  # noqa: B023
        print(f"mw2_matrix 200 mixtures of 3, d={d}: {taken:.3f} s (goal < 5 s)")


def sets(repeats: int, timed_sets: int, g: torch.Generator) -> None:
    """Training shape: 256 sets of 64, forward and backward; the loop treats one set at a time."""
    b, n, d = 256, 64, 5
    x, y = torch.randn(b, n, d, generator=g).requires_grad_(), torch.randn(b, n, d, generator=g)
    directions = torch.nn.functional.normalize(torch.randn(128, d, generator=g), dim=-1)

    def sliced_loop() -> None:
        for k in range(timed_sets):
            px, py = (x[k] @ directions.T).sort(0).values, (y[k] @ directions.T).sort(0).values
            (px - py).square().mean().sqrt().backward()

    def mmd_loop() -> None:
        for k in range(timed_sets):
            pooled = torch.cat([x[k], y[k]])
            distance = torch.cdist(pooled, pooled)
            h = distance.detach()[*torch.triu_indices(2 * n, 2 * n, 1)].median()
            kernel = torch.exp(-((pooled[:, None] - pooled).square().sum(-1)) / (2 * h**2))
            (kernel[:n, :n].mean() + kernel[n:, n:].mean() - 2 * kernel[:n, n:].mean()).backward()

    batched = {
        "sliced_w2": (lambda: sliced_w2(x, y, projections=directions).sum().backward(), sliced_loop),
        "mmd": (lambda: mmd(x, y, biased=True).sum().backward(), mmd_loop),
    }
    for name, (ours, loop) in batched.items():
        fast, slow = seconds(ours, repeats), seconds(loop, repeats) * b / timed_sets
        print(
            f"{name} {b} sets x {n} x {d}, forward + backward: {fast:.4f} s; loop over sets {slow:.4f} s"
            f" (from {timed_sets} timed sets); ratio {slow / fast:.1f}"
        )
    big = torch.randn(64, 256, 8, generator=g).requires_grad_(), torch.randn(64, 256, 8, generator=g)
    print(f"mmd 64 sets x 256 x 8, forward + backward: {seconds(lambda: mmd(*big).sum().backward(), repeats):.4f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer repeats and timed pairs")
    quick = parser.parse_args().quick
    torch.set_num_threads(min(2, torch.get_num_threads()))
    print(f"torch {torch.__version__}, scipy {scipy.__version__}, {torch.get_num_threads()} threads")
    g = torch.Generator().manual_seed(0)
    repeats = 2 if quick else 7
    matrix(repeats, 100 if quick else 1000, g)
    mixtures(repeats, g)
    sets(repeats, 16 if quick else 256, g)


if __name__ == "__main__":
    main()
