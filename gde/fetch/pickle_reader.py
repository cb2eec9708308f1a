"""The process that reads a pickle for `gde.fetch.conversion`: python -m gde.fetch.pickle_reader PICKLE OUT BYTES.

Writes OUT (.safetensors or .npz), or says as JSON on standard output what it found instead, and exits 3.
"""

import json
import pickle
import resource
import sys
from pathlib import Path
from typing import Any

REFUSED = 3
ARRAYS = {  # all that a plain pickle may call
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
}


class Refused(Exception):
    """What the pickle holds that is no tensor."""


class OnlyNumbers(pickle.Unpickler):
    """Knows built-in containers, text, numbers and arrays; anything else that a pickle asks for is refused."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ARRAYS:
            raise Refused(f"{module}.{name} in the pickle")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def tensors_of(path: Path) -> dict[str, Any]:
    """Tensors by name, of a pickle written by torch."""
    import torch

    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as e:
        raise Refused(f"something else than tensors ({str(e).splitlines()[0][:300]}; {reason(str(e))})") from e
    except (RuntimeError, EOFError, ValueError, LookupError, OSError) as e:
        raise Refused(f"a damaged pickle ({str(e).splitlines()[0][:200]})") from e
    if not isinstance(found, dict) or not found:
        raise Refused(f"a {type(found).__name__}")
    out = {}
    for name, value in found.items():
        if not (isinstance(name, str) and isinstance(value, torch.Tensor) and value.layout == torch.strided):
            raise Refused(f"{name!r}: a {type(value).__name__}")
        out[name] = value.detach().clone(memory_format=torch.contiguous_format)  # tensors may share memory there
    return out


def reason(message: str) -> str:
    """The line of torch's message that names what was refused."""
    return next((line.strip() for line in message.splitlines() if "GLOBAL" in line or "Unsupported" in line), "")[:200]


def vectors_of(path: Path) -> tuple[list[str], Any]:
    """Names and vectors (n, k) float32, of a pickled dict of text and as many numbers each."""
    import numpy as np

    try:
        with path.open("rb") as f:
            found = OnlyNumbers(f).load()
    except Refused:
        raise
    except Exception as e:  # a damaged pickle raises anything
        raise Refused(f"a damaged pickle ({type(e).__name__} {e})") from e
    if not isinstance(found, dict) or not found or not all(isinstance(name, str) for name in found):
        raise Refused(f"a {type(found).__name__}, not vectors by name")
    try:
        vectors = np.array([np.asarray(v, dtype=np.float32) for v in found.values()])
    except (ValueError, TypeError) as e:
        raise Refused(f"values that are not as many numbers each ({e})") from e
    if vectors.ndim != 2:
        raise Refused(f"values of shape {vectors.shape[1:]}")
    return list(found), vectors


def main() -> int:
    path, out, room = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    resource.setrlimit(resource.RLIMIT_AS, (room, room))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        if out.suffix == ".npz":
            import numpy as np

            names, vectors = vectors_of(path)
            np.savez(out, names=np.array(names), vectors=vectors)
        else:
            from safetensors.torch import save_file

            save_file(tensors_of(path), out)
    except Refused as e:
        return refuse(str(e))
    except MemoryError:
        return refuse(f"a pickle that needs more than {room} bytes of memory")
    return 0


def refuse(found: str) -> int:
    """Tell the parent what was found."""
    sys.stdout.write(json.dumps({"found": found}) + "\n")
    return REFUSED


if __name__ == "__main__":
    sys.exit(main())
