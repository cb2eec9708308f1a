"""gde: generative distribution embeddings."""

from typing import TYPE_CHECKING, Any

from gde.threads import spin_briefly

__version__ = "0.1.0"

if TYPE_CHECKING:
    from gde import pl, tl
    from gde.api import train
    from gde.model import GDE

__all__ = ["GDE", "__version__", "pl", "tl", "train"]

spin_briefly()  # here, since jobs, commands, notebooks and tests all come by before torch is loaded


def __getattr__(name: str) -> Any:
    # each is loaded by those who use it: `gde list` and the workflow's parsing stay fast
    from importlib import import_module

    if name in ("tl", "pl"):
        return import_module(f"gde.{name}")
    if name in ("GDE", "train"):
        return getattr(import_module({"GDE": "gde.model", "train": "gde.api"}[name]), name)
    raise AttributeError(f"module 'gde' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
