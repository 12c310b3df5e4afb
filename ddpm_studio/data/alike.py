"""Pictures that are the same, and pictures that are nearly so.

Exact copies are found by their bytes. Near copies (another quality, a little brighter, cropped by a hair) are found in two
steps: a difference hash (dHash: whether brightness rises from one cell of a small grid to the next) brings pictures together
that may be alike, and small versions of the pictures themselves decide. Comparing all pairs is out of the question for
200,000 pictures, and buckets of equal parts of a hash overflow where thousands of drawings share a white ground; so the
hashes are sorted, several times by other bits first, and each is compared with its neighbours in the row. That is linear in
the number of pictures whatever they show.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ddpm_studio.events import Images, Rows

BLOCK_BYTES = 2**24
"""Of decoded pictures that are in memory at a time; as floats they take four times as much."""
PIECE = 2**13
"""Small versions that are taken as floats at a time."""
NEIGHBOURS = 24
"""With how many of those that follow in the sorted row each hash is compared."""
MOST_BITS = 10
"""By how many of their 64 bits the hashes of two pictures may differ that are compared in earnest."""
MOST_DIFFERENCE = 12.0
"""Root of the mean squared difference of two small versions, in grey levels (0 to 255), up to which pictures are alike."""
MOST_SHARE = 0.2
"""The same as a share of the picture's own deviation: dark or even pictures differ little from each other in any case."""
SMALL = 8
"""Side of the small versions."""
STEP = 3.0
"""By how many grey levels brightness must rise to count: even ground must not give random bits."""

Hashes = npt.NDArray[np.uint64]


def blocks(images: Images) -> Iterator[tuple[int, Images]]:
    """The pictures in pieces that fit into the memory, each with the number of its first."""
    size = max(1, BLOCK_BYTES // max(1, int(np.prod(images.shape[1:]))))
    for start in range(0, len(images), size):
        yield start, np.asarray(images[start : start + size])


def digests(images: Images) -> Hashes:
    """uint64 [n]: equal for equal pictures, and for others only by a chance of one in billions."""
    return np.fromiter((int.from_bytes(hashlib.blake2b(picture.tobytes(), digest_size=8).digest()) for picture in images), np.uint64, len(images))


def group_copies(keys: Hashes) -> tuple[Rows, Rows]:
    """Rows with equal keys, group after group in the order of their first rows, and the number of each one's group."""
    _, labels = np.unique(keys, return_inverse=True)
    return group_by(labels.reshape(-1))


def group_by(labels: npt.NDArray[np.integer]) -> tuple[Rows, Rows]:
    """Rows whose label occurs more than once, and their groups, numbered in the order of their first rows."""
    order = np.argsort(labels, kind="stable")
    counts = np.bincount(labels) if len(labels) else np.zeros(0, np.int64)
    order = order[counts[labels[order]] > 1]
    firsts = np.full(len(counts), len(labels), np.int64)
    np.minimum.at(firsts, labels[order], order)
    order = order[np.lexsort((order, firsts[labels[order]]))].astype(np.int64)
    if not len(order):
        return order, order
    changes = np.r_[False, labels[order][1:] != labels[order][:-1]]
    return order, np.cumsum(changes).astype(np.int64)


def small_versions(images: Images) -> npt.NDArray[np.uint8]:
    """uint8 [n, SMALL * SMALL * C]: each cell the mean of what it covers."""
    count, height, width, channels = images.shape
    means = _averages(height, SMALL) @ images.reshape(count, height, width * channels).astype(np.float32)
    means = means.reshape(count, SMALL, width, channels).transpose(0, 1, 3, 2) @ _averages(width, SMALL).T
    return np.rint(means.transpose(0, 1, 3, 2)).astype(np.uint8).reshape(count, -1)


def difference_hashes(images: Images) -> Hashes:
    """uint64 [n]: dHash, one bit for each of 8 rows and 8 pairs of neighbours among 9 columns."""
    count, height, width, channels = images.shape
    weights = np.array([0.299, 0.587, 0.114] if channels >= 3 else [1.0], np.float32)
    grey = images[..., : len(weights)].astype(np.float32) @ weights
    cells = _averages(height, 8) @ grey @ _averages(width, 9).T
    bits = (cells[:, :, 1:] - cells[:, :, :-1]) > STEP
    return np.packbits(bits.reshape(count, 64), axis=1).view(np.uint64).reshape(-1)


def _averages(length: int, cells: int) -> npt.NDArray[np.float32]:
    """float32 [cells, length]: rows that average over equal shares of a line, parts of pixels included."""
    edges = np.linspace(0, length, cells + 1)
    starts, ends = np.arange(length), np.arange(1, length + 1)
    cover = np.minimum(ends, edges[1:, None]) - np.maximum(starts, edges[:-1, None])
    shares: npt.NDArray[np.float32] = (np.clip(cover, 0, None) * cells / length).astype(np.float32)
    return shares


def group_alike(hashes: Hashes, small: npt.NDArray[np.uint8], go_on: Callable[[], None] = lambda: None) -> tuple[Rows, Rows]:
    """Rows of pictures that look the same, and their groups, as `group_copies` tells them.

    `go_on` is called now and then; what it raises ends the search.
    """
    count = len(hashes)
    parts = np.array_split(small, count // PIECE + 1)
    deviations, means = (np.concatenate([measure(part, axis=1, dtype=np.float32) for part in parts]) for measure in (np.std, np.mean))
    labels = np.arange(count)
    for turn in range(8):
        rotated = (hashes << np.uint64(8 * turn)) | (hashes >> np.uint64((64 - 8 * turn) % 64)) if turn else hashes
        order = np.argsort(rotated, kind="stable")
        for step in range(1, min(NEIGHBOURS, count - 1) + 1):
            go_on()
            a, b = order[:-step], order[step:]
            apart = labels[a] != labels[b]  # where all are alike, they are found so once, not over and over
            a, b = a[apart], b[apart]
            most = np.minimum(MOST_DIFFERENCE, MOST_SHARE * np.minimum(deviations[a], deviations[b]))
            # Means differ by no more than the root of the mean squared difference: that spares most of the comparisons.
            near = (np.bitwise_count(hashes[a] ^ hashes[b]) <= MOST_BITS) & (np.abs(means[a] - means[b]) <= most)
            a, b = a[near], b[near]
            same = _differences(small, a, b) <= most[near] ** 2
            labels = _joined(labels, a[same], b[same])
    return group_by(labels)


def _joined(labels: Rows, a: Rows, b: Rows) -> Rows:
    """The labels when the groups of a[i] and b[i] become one: pairs need not be kept, which would be millions."""
    if not len(a):
        return labels
    graph = coo_array((np.ones(len(a), np.bool_), (labels[a], labels[b])), shape=(len(labels), len(labels)))
    groups: Rows = connected_components(graph, directed=False)[1].astype(np.int64)
    return groups[labels]


def _differences(small: npt.NDArray[np.uint8], a: Rows, b: Rows) -> npt.NDArray[np.float32]:
    """float32 [n]: mean squared differences of small versions a[i] and b[i]."""
    parts = [np.square(small[a[i : i + PIECE]].astype(np.float32) - small[b[i : i + PIECE]]).mean(axis=1) for i in range(0, len(a), PIECE)]
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)
