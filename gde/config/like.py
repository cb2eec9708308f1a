"""Like: an experiment that goes on from another one's settings, as if its file were copied and some lines changed."""

from functools import lru_cache
from pathlib import Path

from gde.config.listing import EXPERIMENTS, experiment_file, experiment_names
from gde.config.loading import Tree, merge, read_shared
from gde.config.messages import show, unknown
from gde.errors import bad
from gde.files.product import PRODUCT

LIKE = "like"
OWN = ("published",)  # numbers of the other one's data


def inherited(whole: Tree, root: Path, seen: tuple[Path, ...] = ()) -> Tree:
    """`whole` laid on the experiment that its key `like` names, presets included; as it is without the key.

    A name that the file itself has means the product's experiment.   seen : files that led here, its own last.
    GdeError, with the key's file and line: no such experiment; one that leads back; another kind of data.
    """
    if whole.data.get(LIKE) is None:
        return whole
    (where, key), name = whole.mark((LIKE,)), whole.data[LIKE]
    names = experiment_names(root)
    if not isinstance(name, str):
        raise bad(f"{where}: {key}", show(name), "the name of an experiment", "see config/README.md")
    if name not in names:
        raise unknown(where, key, name, names)
    path, called = experiment_file(name, root)
    if seen and path.resolve() == seen[-1]:
        path = PRODUCT / EXPERIMENTS / f"{name}.yaml"
        called = str(path)
    if path.resolve() in seen or not path.is_file():
        way = " -> ".join([*(file.stem for file in seen), name])
        raise bad(f"{where}: {key}", repr(name), f"an experiment that does not lead back here ({way})", "take another")
    return _laid(inherited(read_shared(path, called), root, (*seen, path.resolve())), whole)


@lru_cache(maxsize=512)
def _laid(other: Tree, own: Tree) -> Tree:
    """Of unchanged files, which are the same trees, the same tree."""
    kinds = [tree.data.get("dataset", {}).get("kind") if isinstance(tree.data.get("dataset", {}), dict) else None
             for tree in (other, own)]  # fmt: skip
    if kinds[1] is not None and kinds[0] != kinds[1]:
        where, key = own.mark(("dataset", "kind"))
        remedy = "remove `like`, or name an experiment on data of this kind"
        raise bad(f"{where}: {key}", repr(kinds[1]), f"{kinds[0]!r}, as in {own.data[LIKE]}", remedy)
    kept = Tree({k: v for k, v in other.data.items() if k not in OWN}, other.marks)
    laid = merge(kept, own)
    return Tree(laid.data, {**laid.marks, (): own.mark(())})
