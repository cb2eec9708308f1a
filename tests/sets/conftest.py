import numpy as np
import pandas as pd
import pytest

from gde.sets.store.set_store import SetStore
from gde.sets.store.writer import StoreWriter


@pytest.fixture
def make_store(tmp_path):
    """Write a store whose sample r (counted over all groups) is (group, r, r / 2): every row tells where it is from."""

    def make(sizes, splits=None, name="store", seed=0, **columns):
        groups = pd.DataFrame(
            {"group": [f"g{i}" for i in range(len(sizes))], "split": splits or "train", "size": sizes, **columns}
        )
        code = np.repeat(np.arange(len(sizes)), sizes)
        number = np.arange(len(code))
        with StoreWriter(tmp_path / name, groups=groups, sample_shape=(3,), seed=seed) as writer:
            writer.write(np.stack([code, number, number / 2], 1), code)
            writer.finish({"kind": "test", "data": "simulated"})
        return SetStore.open(tmp_path / name)

    return make
