"""The pictures of a data set that are nearest to a given one, pixel by pixel: whether it was made up or learnt by heart.

Only what stands at the same place counts: a copy that is shifted, mirrored or recoloured is not found this way.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ddpm_studio.control import RunControl
from ddpm_studio.events import Images

CHUNK_BYTES = 16 * 2**20
"""Of pictures that are looked at together, as float32: what the search takes, however large the data set is."""


def nearest(query: Images, pictures: Images, count: int, control: RunControl) -> tuple[list[int], list[float]]:
    """Places of the `count` nearest of uint8 [N, H, W, C] to uint8 [H, W, C], and their distances: the root of the mean
    squared difference in grey levels. The nearest comes first. When it is stopped, of those that were looked at by then."""
    wanted = query.astype(np.float32).ravel()
    squares: npt.NDArray[np.float64] = np.full(len(pictures), np.inf)
    rows = max(1, CHUNK_BYTES // (4 * wanted.size))
    for start in range(0, len(pictures), rows):
        if control.stopping:
            break
        difference = pictures[start : start + rows].reshape(-1, wanted.size).astype(np.float32)
        difference -= wanted
        squares[start : start + len(difference)] = np.einsum("nd,nd->n", difference, difference) / wanted.size
    order = np.argsort(squares, kind="stable")[:count]
    return [int(place) for place in order], [float(squares[place]) ** 0.5 for place in order]
