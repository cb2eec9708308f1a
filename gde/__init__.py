"""gde: generative distribution embeddings."""

from typing import TYPE_CHECKING, Any

from gde.threads import spin_briefly

__version__ = "0.1.0"

if TYPE_CHECKING:
    from gde.model import GDE

__all__ = ["GDE", "__version__"]

spin_briefly()  # here, since jobs, commands, notebooks and tests all come by before torch is loaded


def __getattr__(name: str) -> Any:
    # torch is imported only by those who use the model: `gde list` and the workflow's parsing stay fast
    if name == "GDE":
        from gde.model import GDE

        return GDE
    raise AttributeError(f"module 'gde' has no attribute {name!r}")
