"""How much of each picture a blend holds: weights that are 0 or more and add up to 1, one for each picture.

With two pictures they are 1 - lambda and lambda.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

Weights = tuple[float, ...]


def pair(lam: float) -> Weights:
    """The weights of two pictures at lambda."""
    return 1 - lam, lam


def equal(count: int) -> Weights:
    return (1 / count,) * count


def normalized(weights: Sequence[float]) -> Weights:
    """In the same proportion, with a sum of 1; equal shares where all are 0."""
    total = sum(weights)
    return tuple(weight / total for weight in weights) if total > 0 else equal(len(weights))


def with_share(weights: Weights, index: int, share: float) -> Weights:
    """One weight set to `share`; the others make room in proportion."""
    others = [weight for i, weight in enumerate(weights) if i != index]
    rest = [part * (1 - share) for part in normalized(others)]
    return (*rest[:index], share, *rest[index:])


def with_one_more(weights: Weights) -> Weights:
    """Another picture at the end, with as much as it has a right to."""
    return with_share((*weights, 0.0), len(weights), 1 / (len(weights) + 1))


def without(weights: Weights, index: int) -> Weights:
    return normalized(weights[:index] + weights[index + 1 :])


def along(count: int, position: float) -> Weights:
    """On the way through a chain of pictures, at a position from 0 (the first) to count - 1 (the last)."""
    before = min(int(position), count - 2)
    lam = position - before
    if count == 2:
        return pair(lam)
    return tuple(1 - lam if i == before else lam if i == before + 1 else 0.0 for i in range(count))


def around(count: int, frames: int) -> tuple[Weights, ...]:
    """An endless way: from each picture to the next in `frames` steps, and from the last to the first again.

    It begins and ends each piece gently (a quarter of a cosine), and the way back of two pictures is exactly the way there,
    so that its blends need to be made but once.
    """
    way = []
    for i in range(count):
        for frame in range(frames):
            lam = round((1 - math.cos(math.pi * frame / frames)) / 2, 6)
            shares = {i: round(1 - lam, 6), (i + 1) % count: lam}
            way.append(tuple(shares.get(picture, 0.0) for picture in range(count)))
    return tuple(way)
