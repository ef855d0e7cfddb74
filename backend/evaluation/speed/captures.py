"""The speed and memory of captures on a fixed case; run by the bench command as `capture-…`.

A million splats with harmonics of degree 3, on a ball of radius 1 m with the width that covers it,
seed 0; each file is read by a process of its own, so that its memory is what the reading took.
"""

import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path

import numpy as np

from ...contract.arrays import ArraySet
from ...contract.captures.files import write_capture
from ...contract.captures.gaussians import Gaussians
from ...contract.shot import Capture
from ...stages.captures.hull import hull_of
from ...stages.captures.own import own_splats

SPLATS = 1_000_000
READ = """
import sys, time
from pathlib import Path
import psutil
from impetus.backend.contract.captures.files import read_capture
from impetus.backend.evaluation.speed.raster import peak_bytes
before, start = psutil.Process().memory_info().rss, time.perf_counter()
read = read_capture(Path(sys.argv[1]))
print(time.perf_counter() - start, (peak_bytes() - before) / 2**20, len(read))
"""


def capture_seconds(suffix: str) -> float:
    """Return the seconds that reading the case takes from a file of one kind."""
    return _import(suffix)[0]


def capture_memory(suffix: str) -> float:
    """Return by how many MiB the process that reads the case grows at its largest."""
    return _import(suffix)[1]


@cache
def _import(suffix: str) -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"million.{suffix}"
        write_capture(path, _splats())
        command = [sys.executable, "-P", "-c", READ, str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, grown, count = (float(word) for word in done.stdout.split()[-3:])
    assert count == SPLATS
    return seconds, grown


def capture_hull() -> float:
    """Return the seconds until it is known what the case encloses."""
    splats, arrays = _splats(), ArraySet()
    start = time.perf_counter()
    half = np.exp(splats.log_scale)[:, :, None] * np.eye(3, dtype=np.float32)
    mean, opacity, waves, axes = map(
        arrays.add, (splats.mean, splats.opacity, splats.harmonics, half)
    )
    hull_of("Ball", own_splats(Capture(mean, opacity, waves, axes), arrays))
    return time.perf_counter() - start


@cache
def _splats() -> Gaussians:
    rng = np.random.default_rng(0)
    mean = rng.normal(size=(SPLATS, 3))
    mean /= np.linalg.norm(mean, axis=1, keepdims=True)
    width = 0.8 * np.sqrt(4 * np.pi / SPLATS)
    return Gaussians(
        mean.astype(np.float32),
        np.log(width * rng.uniform(0.7, 1.3, (SPLATS, 3))).astype(np.float32),
        rng.normal(size=(SPLATS, 4)).astype(np.float32),
        rng.normal(3, 1, SPLATS).astype(np.float32),
        rng.normal(0, 0.1, (SPLATS, 16, 3)).astype(np.float32),
    )
