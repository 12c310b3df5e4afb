"""The pictures of a data set that are nearest to a given one, pixel by pixel: whether it was made up or learnt by heart.

Only what stands at the same place counts: a copy that is shifted, mirrored or recoloured is not found this way.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ddpm_studio.control import RunControl
from ddpm_studio.events import Images, Rows

CHUNK_BYTES = 16 * 2**20
"""Of pictures that are looked at together, as float32: what the search takes, however large the data set is."""


def nearest(query: Images, pictures: Images, count: int, control: RunControl, among: Rows | None = None) -> tuple[list[int], list[float]]:
    """Places of the `count` nearest of uint8 [N, H, W, C] to uint8 [H, W, C], and their distances: the root of the mean
    squared difference in grey levels. The nearest comes first. Only the places `among`, int64 [M], are looked at; when it
    is stopped, those that it had come to."""
    wanted = query.astype(np.float32).ravel()
    places = np.arange(len(pictures)) if among is None else among
    squares: npt.NDArray[np.float64] = np.full(len(places), np.inf)
    rows = max(1, CHUNK_BYTES // (4 * wanted.size))
    for start in range(0, len(places), rows):
        if control.stopping:
            break
        difference = pictures[places[start : start + rows]].reshape(-1, wanted.size).astype(np.float32)
        difference -= wanted
        squares[start : start + len(difference)] = np.einsum("nd,nd->n", difference, difference) / wanted.size
    order = np.argsort(squares, kind="stable")[:count]
    return [int(places[i]) for i in order], [float(squares[i]) ** 0.5 for i in order]
