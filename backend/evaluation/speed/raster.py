"""The speed of the rasteriser on a fixed case; run by the bench command as `raster-forward`.

100,000 isotropic splats in [-1, 1]^3, sigma 0.005 to 0.02 m, opacity 0.1 to 0.9, seen from z = -4
along +z with a focal length of 800 px on 800 x 800 px, seed 0: colour, depth and alpha.
"""

import time

import numpy as np

from ....kernels.splats.project import Projected, SplatPose, View, project
from ....kernels.splats.raster import rasterise_plain

SPLATS = 100_000
REPEATS = 4


def raster_forward() -> float:
    """Return milliseconds per image, best of four; sorting and binning timed, projection not.

    Taichi must have been started. The first image, which compiles, is not counted.
    """
    view = _view()
    projected = _project(view)
    return min(_image(projected, view) for _ in range(REPEATS + 1))


def _image(projected: Projected, view: View) -> float:
    start = time.perf_counter()
    rasterise_plain(projected, view)
    return (time.perf_counter() - start) * 1e3


def _view() -> View:
    pose = np.eye(4)
    pose[2, 3] = -4
    return View(pose, np.array([800.0, 800.0, 400.0, 400.0]), 800, 800, near=0.01, far=100.0)


def _project(view: View) -> Projected:
    rng = np.random.default_rng(0)
    mean = rng.uniform(-1, 1, (SPLATS, 3)).astype(np.float32)
    sigma = rng.uniform(0.005, 0.02, SPLATS).astype(np.float32)
    opacity = rng.uniform(0.1, 0.9, SPLATS).astype(np.float32)
    color = rng.uniform(0, 1, (SPLATS, 3)).astype(np.float32)
    axes = sigma[:, None, None] * np.eye(3, dtype=np.float32)
    return project(SplatPose(mean, axes), view, color=color, opacity=opacity)
