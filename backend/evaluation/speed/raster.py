"""The speed of the rasteriser on fixed cases; run by the bench command as `raster-…`.

100,000 isotropic splats in [-1, 1]^3, sigma 0.005 to 0.02 m, opacity 0.1 to 0.9, seen from z = -4
along +z with a focal length of 800 px on 800 x 800 px, seed 0: colour, depth and alpha.
"""

import sys
import time

import numpy as np
import psutil
from numpy.typing import NDArray

from ....kernels.splats.project import Projected, SplatPose, View, project
from ....kernels.splats.raster import rasterise_kept, rasterise_plain
from ....kernels.splats.raster_gradient import record_gradient

SPLATS, MANY_SPLATS = 100_000, 1_000_000
REPEATS = 8
"Images of which the quickest counts: after the first few the memory is there that all take."


def raster_forward() -> float:
    """Return milliseconds per image, best of eight; sorting and binning timed, projection not.

    Taichi must have been started. The first image, which compiles, is not counted.
    """
    view = view_of(800)
    projected = _project(view)
    return min(_image(projected, view) for _ in range(REPEATS + 1))


def raster_backward() -> float:
    """Return milliseconds from gradients of colour, depth and alpha to those of the records.

    Best of eight, on the case of `raster-forward`; the image that they are gradients of is not
    timed. Taichi must have been started.
    """
    view = view_of(800)
    projected = _project(view)
    planes, lists = rasterise_kept(projected, view)
    rng = np.random.default_rng(1)
    color = rng.normal(size=(3, view.height, view.width)).astype(np.float32)
    alpha, depth = rng.normal(size=(2, view.height, view.width)).astype(np.float32)

    def back() -> float:
        start = time.perf_counter()
        record_gradient(projected, lists, planes, view, color=color, alpha=alpha, depth=depth)
        return (time.perf_counter() - start) * 1e3

    return min(back() for _ in range(REPEATS + 1))


def raster_million() -> tuple[float, float]:
    """Return seconds per image of a million splats at 1920 x 1080, projection included, and MiB.

    The memory is what the process grew by at its largest. The splats are those of the other cases,
    spread over (-2, -1.2, -1) to (2, 1.2, 1). Best of two; Taichi must have been started.
    """
    pose = np.eye(4)
    pose[2, 3] = -4
    lens = np.array([1900.0, 1900.0, 960.0, 540.0])
    view = View(pose, lens, 1920, 1080, near=0.01, far=100.0)
    before = psutil.Process().memory_info().rss
    splats = splats_in(MANY_SPLATS, np.array([2.0, 1.2, 1.0]))
    spent = []
    for _ in range(3):
        start = time.perf_counter()
        rasterise_plain(project(splats[0], view, color=splats[1], opacity=splats[2]), view)
        spent.append(time.perf_counter() - start)
    grown = peak_bytes() - before
    return min(spent[1:]), grown / 2**20


def peak_bytes() -> int:
    """Return the most memory that this process ever held, or holds now where that is not known."""
    try:
        import resource
    except ImportError:  # Windows keeps it elsewhere
        return int(psutil.Process().memory_info().peak_wset)
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _image(projected: Projected, view: View) -> float:
    start = time.perf_counter()
    rasterise_plain(projected, view)
    return (time.perf_counter() - start) * 1e3


def view_of(side: int) -> View:
    """Return the cases' camera with `side` by `side` pixels."""
    pose = np.eye(4)
    pose[2, 3] = -4
    lens = np.array([side, side, side / 2, side / 2], np.float64)
    return View(pose, lens, side, side, near=0.01, far=100.0)


def _project(view: View) -> Projected:
    pose, color, opacity = splats_in(SPLATS, np.ones(3))
    return project(pose, view, color=color, opacity=opacity)


def splats_in(
    count: int, half: NDArray[np.float64]
) -> tuple[SplatPose, NDArray[np.float32], NDArray[np.float32]]:
    """Return pose, colour and opacity of the cases' splats in the box from -half to half [m]."""
    rng = np.random.default_rng(0)
    mean = rng.uniform(-half, half, (count, 3)).astype(np.float32)
    sigma = rng.uniform(0.005, 0.02, count).astype(np.float32)
    opacity = rng.uniform(0.1, 0.9, count).astype(np.float32)
    color = rng.uniform(0, 1, (count, 3)).astype(np.float32)
    return SplatPose(mean, sigma[:, None, None] * np.eye(3, dtype=np.float32)), color, opacity
