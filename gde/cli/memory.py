"""Memory that runs out, of a GPU or of a process that may take so much: one line instead of a stack trace.

What the kernel or Slurm kills for its memory can say nothing; the workflow asks Slurm for more then.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from gde.errors import bad

CPU = "DefaultCPUAllocator"  # what torch calls itself in a RuntimeError, its only word for it on a CPU


@contextmanager
def memory_errors() -> Iterator[None]:
    """Turn an allocation that failed, of numpy, torch or CUDA, into a GdeError with the remedy."""
    try:
        yield
    except Exception as e:
        # torch's class by name: a job that does not compute does not import it
        if not (isinstance(e, MemoryError) or type(e).__name__ == "OutOfMemoryError" or CPU in str(e)):
            raise
        remedy = (
            "take smaller or fewer sets (training.set_size, training.n_sets; of sequences also generator.subsample), "
            "or a machine with more, where a training goes on from its last checkpoint"
        )
        raise bad("memory", str(e) or type(e).__name__, "room for what the job computes", remedy) from e
