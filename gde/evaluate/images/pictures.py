"""Images as a table, for figures."""

import numpy as np
import pandas as pd

from gde.sets.types.images import Images

MOST = 8  # images of a set


def picture_table(kind: Images, shown: list[tuple[str, str, np.ndarray]]) -> pd.DataFrame:
    """A row for each channel of the first MOST images of some sets, given as (name, source, images (n, c, h, w)), with
    its pixels, line by line."""
    parts, (c, h, w) = [], kind.shape
    channels = list(kind.channels) or [str(i) for i in range(c)]
    for name, source, images in shown:
        for i, image in enumerate(images[:MOST]):
            about = {"set": f"{name}", "source": source, "image [1]": i, "channel [category]": channels}
            pixels = pd.DataFrame(image.reshape(c, h * w), columns=[f"p_{j} [intensity]" for j in range(h * w)])
            parts.append(pd.concat([pd.DataFrame(about), pixels], axis=1))
    size = kind.pixel_size or 0.0
    out = pd.concat(parts, ignore_index=True)
    return out.assign(**{"height [pixels]": h, "width [pixels]": w, "pixel_size [micrometres]": size})
