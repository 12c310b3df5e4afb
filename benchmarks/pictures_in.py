"""How fast pictures come in: `python benchmarks/pictures_in.py [--pictures FOLDER_OR_ZIP]`. Printed as JSON, in seconds.

* small: 8,000 JPEGs (those given, or made up at 178 x 218) into the cache at 32 x 32;
* photos: JPEGs of 24 megapixels, and how many times as fast as decoding them whole and scaling down;
* many: a cached zip of 200,000 pictures, and a cached folder of them, opened again, and the resident memory while they were made.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
import tempfile
import time
import zipfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import psutil
from PIL import Image

from ddpm_studio.config import DataConfig
from ddpm_studio.control import RunControl
from ddpm_studio.data.cache import open_dataset
from ddpm_studio.imaging import decode_sized, fit


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--many", type=int, default=200_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        os.environ["DDPM_STUDIO_HOME"] = str(Path(place) / "home")
        print(json.dumps({"small": small(options.pictures, Path(place)), "photos": photos(Path(place)), **many(Path(place), options.many)}, indent=2))
    return 0


def opened(source: Path) -> tuple[int, float, float]:
    """Pictures, seconds, and the most resident megabytes above those at the start."""
    control, process, began = RunControl(), psutil.Process(), time.perf_counter()
    before = most = process.memory_info().rss
    walk = open_dataset(source, DataConfig(image_size=32), control)
    while True:
        try:
            next(walk)
            most = max(most, process.memory_info().rss)
        except StopIteration as end:
            return len(end.value), time.perf_counter() - began, (most - before) / 2**20


def jpeg(rng: np.random.Generator, size: tuple[int, int]) -> bytes:
    """Something with shapes and a little grain, as photos have."""
    small = Image.fromarray(rng.integers(0, 255, (size[1] // 40 + 2, size[0] // 40 + 2, 3), np.uint8)).resize(size, Image.Resampling.BICUBIC)
    out = io.BytesIO()
    small.save(out, "JPEG", quality=90)
    return out.getvalue()


def small(source: Path | None, place: Path) -> dict[str, float]:
    if source is None:
        source = place / "small.zip"
        rng = np.random.default_rng(0)
        with zipfile.ZipFile(source, "w") as archive:
            for i in range(8000):
                archive.writestr(f"{i:05d}.jpg", jpeg(rng, (178, 218)))
    count, seconds, _ = opened(source)
    _, again, _ = opened(source)
    return {"pictures": count, "seconds": round(seconds, 2), "again": round(again, 3)}


def photos(place: Path) -> dict[str, float]:
    content = jpeg(np.random.default_rng(1), (6000, 4000))

    def reduced() -> object:
        image, _ = decode_sized(io.BytesIO(content), 32)
        return fit(image, (32, 32, 3), "white")

    def whole() -> object:
        with Image.open(io.BytesIO(content)) as image:
            image.load()
            return fit(image, (32, 32, 3), "white")

    def median(work: object) -> float:
        times = []
        for _ in range(5):
            began = time.perf_counter()
            work()  # type: ignore[operator]
            times.append(time.perf_counter() - began)
        return float(np.median(times))

    fast, slow = median(reduced), median(whole)
    return {"reduced": round(fast, 3), "whole": round(slow, 3), "times_as_fast": round(slow / fast, 1)}


def many(place: Path, count: int) -> dict[str, dict[str, float]]:
    archive, rng = place / "many.zip", np.random.default_rng(2)
    with zipfile.ZipFile(archive, "w") as file:
        for i in range(count):
            out = io.BytesIO()
            Image.fromarray(rng.integers(0, 255, (8, 8, 3), np.uint8)).save(out, "BMP")
            file.writestr(f"{i % 100}/{i}.bmp", out.getvalue())
    folder = place / "many"
    with zipfile.ZipFile(archive) as file:
        file.extractall(folder)
    found = {}
    for name, source in (("many_in_a_zip", archive), ("many_in_a_folder", folder)):
        pictures, seconds, megabytes = opened(source)
        again = sorted(opened(source)[1] for _ in range(5))[2]
        found[name] = {"pictures": pictures, "seconds": round(seconds, 1), "again": round(again, 3), "megabytes_above_start": round(megabytes)}
    return found


if __name__ == "__main__":
    raise SystemExit(main())
