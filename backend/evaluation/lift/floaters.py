"""Floaters, with the hard-depth loss and without: the ablation of PhysMotion's figure 8.

The coarse splats stand for a network's: fewer and larger than the surface needs, out of place by a
few hundredths of the body's size, blurred and too clear. Both refinements begin with them.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from ....kernels.splats.background import ray_distance
from ....kernels.splats.project import View
from ...splatting.gradients import Camera
from ...stages.lifts.refine import DepthView, RefineSettings, refined
from ...stages.lifts.seen import Seen
from ...stages.lifts.splats import Splats
from ...stages.takes.picture import encode_srgb

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

COUNT = 3000
ASTRAY = 0.035
"Standard deviation of coarse places, as a share of the body's longest side."
LARGER, CLEARER, STAIN = 1.4, 0.75, 0.08
NEIGHBOURS = 12
SIDES = (-30.0, 30.0)
RIM = 1
"Pixels beside the silhouette that count as its soft border."


@dataclass(frozen=True)
class Refined:
    """Splats, their view from the front and from one side, (h, w, 3) sRGB before white; figures.

    `floaters`: alpha beside the object seen from both SIDES, as a share of the object's area.
    `match` in dB, over the object's pixels.
    """

    splats: Splats
    front: Floats
    side: Floats
    floaters: float
    match: float


@dataclass(frozen=True)
class Case:
    """A picture (h, w, 3) sRGB before white with its mask (h, w), and a body that it was lifted to.

    `silhouette` tells for a view (h, w) where the object truly is; views turn about `pivot` (3,),
    body space.
    """

    picture: Floats
    mask: Floats
    seen: Seen
    body: Splats
    silhouette: Callable[[float], Floats]
    pivot: Doubles


def ablation(case: Case, epochs: int, *, seed: int = 0) -> dict[str, Refined]:
    """Refine coarse splats by colour alone, and with the hard-depth loss as well."""
    coarse = coarse_of(case.body, np.random.default_rng(seed))
    settings = RefineSettings(seed=seed).within(epochs)
    front = _camera(case.seen.view())
    views = [_depth_view(case, turn) for turn in (0.0, 90.0, 180.0, 270.0)]
    found = {"coarse": coarse}
    for name, chosen in (("colour", replace(settings, hard=None)), ("hard depth", settings)):
        found[name] = refined(coarse, case.picture, front, views, chosen)
    return {name: _measured(case, splats) for name, splats in found.items()}


def coarse_of(body: Splats, rng: np.random.Generator) -> Splats:
    """Return about COUNT splats as a network might see the body."""
    chosen = np.sort(rng.permutation(len(body))[:COUNT])
    mean = body.mean[chosen]
    side = float(np.ptp(mean, axis=0).max())
    near = cKDTree(mean).query(mean, k=NEIGHBOURS)[1]
    color = body.color[chosen][near].mean(axis=1) * (1 + STAIN * rng.standard_normal(mean.shape))
    wide = LARGER * body.scale[chosen, :1] * np.sqrt(len(body) / len(chosen))
    return Splats(
        (mean + ASTRAY * side * rng.standard_normal(mean.shape)).astype(np.float32),
        (wide * np.array([1.0, 1.0, 0.4])).astype(np.float32),
        body.turn[chosen],
        np.clip(color, 0, 1).astype(np.float32),
        np.full(len(chosen), CLEARER, np.float32),
    )


def turned(seen: Seen, degrees: float, pivot: Doubles) -> View:
    """Return the picture's camera, turned about the vertical axis through `pivot` (3,)."""
    angle = np.radians(degrees)
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    turn[:3, 3] = pivot - turn[:3, :3] @ pivot
    view = seen.view()
    return replace(view, camera_to_world=turn @ view.camera_to_world)


def _depth_view(case: Case, degrees: float) -> DepthView:
    view = turned(case.seen, degrees, case.pivot)
    _, alpha, depth = case.body.seen_by(view)
    distance = ray_distance(np.where(alpha > 0.5, depth, 0).astype(np.float32), view)
    return DepthView(_camera(view), distance.astype(np.float32))


def _measured(case: Case, splats: Splats) -> Refined:
    front = _before_white(splats, case.seen.view())[0]
    side = _before_white(splats, turned(case.seen, SIDES[1], case.pivot))[0]
    beside = [
        _beside(splats, turned(case.seen, side, case.pivot), case.silhouette(side))
        for side in SIDES
    ]
    inside = case.mask >= 0.5
    error = np.square(front - case.picture, dtype=np.float64)[inside].mean()
    return Refined(splats, front, side, float(np.mean(beside)), float(-10 * np.log10(error)))


def _beside(splats: Splats, view: View, silhouette: Floats) -> float:
    alpha = _before_white(splats, view)[1]
    near = ndimage.binary_dilation(silhouette > 0.02, iterations=RIM)
    return float(alpha[~near].sum() / silhouette.sum())


def _before_white(splats: Splats, view: View) -> tuple[Floats, Floats]:
    color, alpha, _ = splats.seen_by(view)
    return encode_srgb(color + (1 - alpha[..., None])).astype(np.float32), alpha


def _camera(view: View) -> Camera:
    return Camera(
        torch.from_numpy(view.camera_to_world), torch.from_numpy(np.asarray(view.intrinsics)),
        view.width, view.height, view.near, view.far,
    )  # fmt: skip
