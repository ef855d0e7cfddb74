"""Floaters, with the hard-depth loss and without: the ablation of PhysMotion's figure 8.

The coarse splats stand for a network's: fewer and larger than the surface needs, out of place by a
few hundredths of the body's size, blurred and too clear. Both refinements begin with them, as they
come from a file that something else wrote.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from ....kernels.splats.project import View
from ...contract.captures.files import write_capture
from ...stages.lifts.depth_maps import DepthMap
from ...stages.lifts.lift import Lifted, LiftOptions, lifted_from
from ...stages.lifts.lift_files import gaussians_of
from ...stages.lifts.refinement.lifts import guide_of, settings_of
from ...stages.lifts.refinement.refine import refined
from ...stages.lifts.seen import Seen
from ...stages.lifts.splats import Splats, own_colors
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
    `match` in dB, over the object's pixels, before white.
    """

    splats: Splats
    front: Floats
    side: Floats
    floaters: float
    match: float


@dataclass(frozen=True)
class Case:
    """A picture's object as it was lifted, by `options` and `depth`.

    `silhouette` tells for a view (h, w) where the object truly is; views turn about `pivot` (3,),
    body space.
    """

    made: Lifted
    options: LiftOptions
    depth: DepthMap | None
    silhouette: Callable[[float], Floats]
    pivot: Doubles

    @property
    def picture(self) -> Floats:
        """The object before white (h, w, 3) sRGB."""
        mask = self.made.mask[..., None]
        own = encode_srgb(own_colors(self.made.picture, self.made.mask))
        return np.asarray(own * mask + (1 - mask), np.float32)


def ablation(case: Case, epochs: int, *, seed: int = 0) -> dict[str, Refined]:
    """Refine coarse splats by colour alone, and with the hard-depth loss as well."""
    options = replace(case.options, epochs=epochs, seed=seed)
    coarse = coarse_lift(case, options)
    guide, settings = guide_of(coarse, options, case.depth), settings_of(coarse, options)
    found = {"coarse": coarse.splats}
    for name, chosen in (("colour", replace(settings, hard=None)), ("hard depth", settings)):
        found[name] = refined(coarse.splats, guide.picture, guide.camera, guide.views, chosen)
    return {name: measured(case, splats) for name, splats in found.items()}


def coarse_lift(case: Case, options: LiftOptions) -> Lifted:
    """Return the object made of coarse splats in a file."""
    coarse = coarse_of(case.made.splats, np.random.default_rng(options.seed))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "coarse.ply"
        write_capture(path, gaussians_of(in_camera(coarse, case.made.seen)))
        return lifted_from(path, case.made.picture, case.made.mask, options, depth=case.depth)


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


def in_camera(splats: Splats, seen: Seen) -> Splats:
    """Return a body's splats in the axes of the camera that saw it, its eye at the origin."""
    pose = np.linalg.inv(seen.camera_to_body)
    turn = Rotation.from_matrix(pose[:3, :3]) * Rotation.from_quat(splats.turn, scalar_first=True)
    return replace(
        splats,
        mean=(splats.mean @ pose[:3, :3].T + pose[:3, 3]).astype(np.float32),
        turn=turn.as_quat(scalar_first=True).astype(np.float32),
    )


def measured(case: Case, splats: Splats) -> Refined:
    """Look at splats from the front and from both SIDES."""
    seen = case.made.seen
    front = _before_white(splats, seen.view())[0]
    side = _before_white(splats, seen.turned(SIDES[1], case.pivot))[0]
    beside = [
        _beside(splats, seen.turned(side, case.pivot), case.silhouette(side)) for side in SIDES
    ]
    inside = case.made.mask >= 0.5
    error = np.square(front - case.picture, dtype=np.float64)[inside].mean()
    match = float(-10 * np.log10(error + 1e-12))
    return Refined(splats, front, side, float(np.mean(beside)), match)


def _beside(splats: Splats, view: View, silhouette: Floats) -> float:
    alpha = _before_white(splats, view)[1]
    near = ndimage.binary_dilation(silhouette > 0.02, iterations=RIM)
    return float(alpha[~near].sum() / silhouette.sum())


def _before_white(splats: Splats, view: View) -> tuple[Floats, Floats]:
    color, alpha, _ = splats.seen_by(view)
    return encode_srgb(color + (1 - alpha[..., None])).astype(np.float32), alpha
