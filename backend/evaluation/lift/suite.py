"""The suite `lift`: five things of known form and the astronaut of scikit-image become bodies."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ...stages.lifts.depth_maps import DepthMap
from ...stages.lifts.lift import Lifted, LiftOptions, lifted
from ...stages.lifts.masks import box_mask
from ...stages.lifts.picture import Picture
from ...stages.lifts.refinement.lifts import refine_lift
from ...stages.lifts.seen import Seen
from ...stages.lifts.splats import view_before
from ...stages.takes.picture import encode_srgb
from ...training.packages import PHOTOGRAPHS, require
from .floaters import Case, Refined, ablation
from .plots import draw_ablation, draw_lifts
from .summary import summary_of
from .things import AWAY, THINGS, Thing, Traced, camera, trace

Floats = NDArray[np.float32]

SIZE, QUICK_SIZE = 256, 96
"Pixels of a thing's picture."
REFINED_SIZE, REFINED_SPLATS = 96, 9_000
EPOCHS, QUICK_EPOCHS = 300, 60
SEEDS = 3
"Coarse bodies of each thing, disturbed anew."
QUICK_REFINED = ("bear", "astronaut")
ASTRONAUT_BOX, ASTRONAUT_LENGTH = (22, 2, 420, 512), 0.8
PAIRS, APART = 40_000, 0.01
"Pairs of pixels whose order is asked, and what they must differ by, as a share of all depth."
MIDDLE = np.zeros(3)
BEHIND = np.array([0.55, 0.62, 0.7], np.float32)
"sRGB behind the things."


@dataclass(frozen=True)
class LiftFigures:
    """How a body agrees with what it was made from, and with the truth.

    `match` in dB over the object, `outline` the IoU of front view and mask; `order` the share of
    pairs of pixels whose depth is in the right order, nan where it is not known; `side` the IoU
    of the silhouettes seen from 30 degrees to both sides.
    """

    match: float
    outline: float
    order: float
    side: float


@dataclass(frozen=True)
class Look:
    """One lift as a plot shows it: (h, w, 3) sRGB each; the truth where it is known."""

    name: str
    picture: Floats
    front: Floats
    side: Floats
    truth: Floats | None


def run(out: Path, *, quick: bool = False) -> dict[str, Any]:
    """Lift all pictures, write lifts.png and floaters.png into `out`, return the figures.

    `summary` among them says what they come to, and whether that is what we promise. `quick` takes
    small pictures, and refines two of them, once and for few epochs. Taichi must have been started.
    Raises LiftError, PackagesMissingError.
    """
    require(PHOTOGRAPHS)
    out.mkdir(parents=True, exist_ok=True)
    size, epochs, seeds = (QUICK_SIZE, QUICK_EPOCHS, 1) if quick else (SIZE, EPOCHS, SEEDS)
    figures: dict[str, Any] = {}
    looks: list[Look] = []
    for thing in THINGS:
        figures[thing.name] = _lift_thing(thing, size, looks)
    figures["astronaut"] = _lift_astronaut(2 * size, looks)
    draw_lifts(looks, out / "lifts.png")
    rows: dict[str, tuple[Floats, dict[str, Refined]]] = {}
    for name in QUICK_REFINED if quick else tuple(figures):
        case = case_of(name)
        found = [ablation(case, epochs, seed=seed) for seed in range(seeds)]
        rows[name] = case.picture, found[0]
        figures[name]["coarse"] = mean_of(found)
        figures[name]["own"] = own_refined(case, epochs)
    draw_ablation(rows, out / "floaters.png")
    return figures | {"summary": summary_of(figures)}


def case_of(name: str) -> Case:
    """Return one of THINGS, or the astronaut, for the ablation."""
    things = {thing.name: thing for thing in THINGS}
    return thing_case(things[name]) if name in things else astronaut_case()


def mean_of(found: Sequence[Mapping[str, Refined]]) -> dict[str, dict[str, float]]:
    """Return floaters and match of each way, as the mean over several ablations."""
    return {
        way: {
            "floaters": float(np.mean([one[way].floaters for one in found])),
            "match": float(np.mean([one[way].match for one in found])),
        }
        for way in found[0]
    }


def own_refined(case: Case, epochs: int) -> dict[str, float]:
    """Refine a lift's own splats; return its match [dB] before and after."""
    made = refine_lift(case.made, replace(case.options, epochs=epochs), case.depth)
    return {"before": case.made.match, "after": made.match}


def _lift_thing(thing: Thing, size: int, looks: list[Look]) -> dict[str, Any]:
    truth = trace(thing, camera(size))
    picture, mask = _painted(truth)
    known = np.where(np.isfinite(truth.depth), truth.depth, np.nan).astype(np.float32)
    solid = truth.mask >= 0.5
    rim = solid & ~ndimage.binary_erosion(solid)
    ways = {"inflated": (None, rim), "depth": (DepthMap(known, "metric"), solid)}
    result = {}
    for way, (depth, of) in ways.items():
        made = lifted(picture, mask, LiftOptions(length=_length(truth, size, of)), depth=depth)
        result[way] = asdict(_figures(made, thing, truth))
        there = _painted(trace(thing, camera(size, 30.0)))[0].color
        looks.append(_look(f"{thing.name}, {way}", made, there))
    return result


def _lift_astronaut(size: int, looks: list[Look]) -> dict[str, Any]:
    made = lift_astronaut(size, LiftOptions(length=ASTRONAUT_LENGTH))
    looks.append(_look("astronaut, inflated", made, None))
    return {"inflated": asdict(_figures(made, None, None))}


def lift_astronaut(size: int, options: LiftOptions) -> Lifted:
    """Cut scikit-image's astronaut (NASA, public domain) out of a box, and inflate her."""
    from PIL import Image
    from skimage.data import astronaut

    photo = astronaut()
    mask = box_mask(Picture(photo.astype(np.float32) / np.float32(255)), ASTRONAUT_BOX)
    box = Image.Resampling.BOX
    color = np.asarray(Image.fromarray(photo).resize((size, size), box), np.float32)
    small = np.asarray(Image.fromarray(mask).resize((size, size), box), np.float32)
    picture = Picture(color / np.float32(255))
    return lifted(picture, small, options)


def thing_case(thing: Thing) -> Case:
    """Return a thing lifted with its true depth, for the ablation."""
    truth = trace(thing, camera(REFINED_SIZE))
    picture, mask = _painted(truth)
    depth = DepthMap(
        np.where(np.isfinite(truth.depth), truth.depth, np.nan).astype(np.float32), "metric"
    )
    options = LiftOptions(
        length=_length(truth, REFINED_SIZE, truth.mask >= 0.5), splats=REFINED_SPLATS
    )
    made = lifted(picture, mask, options, depth=depth)

    @cache
    def silhouette(degrees: float) -> Floats:
        return trace(thing, camera(REFINED_SIZE, degrees)).mask.astype(np.float32)

    return Case(made, options, depth, silhouette, pivot_of(made.seen))


def astronaut_case() -> Case:
    """Return the astronaut as she was inflated; from the sides that is all that is known of her."""
    options = LiftOptions(length=ASTRONAUT_LENGTH, splats=REFINED_SPLATS)
    made = lift_astronaut(REFINED_SIZE, options)

    @cache
    def silhouette(degrees: float) -> Floats:
        return made.splats.seen_by(made.seen.turned(degrees, MIDDLE))[1]

    return Case(made, options, None, silhouette, MIDDLE)


def pivot_of(seen: Seen) -> NDArray[np.float64]:
    """Return where a thing's middle is (3,) in the space of a body lifted from its picture."""
    return np.asarray(seen.camera_to_body[:3] @ (0, 0, AWAY, 1), np.float64)


def depth_order(found: NDArray[np.floating[Any]], truth: NDArray[np.floating[Any]]) -> float:
    """Return the share of pairs of places (n,) whose order of depth (n,) is the true one (n,).

    Of PAIRS drawn, those count whose true depths differ by more than APART of all there is.
    """
    first, second = np.random.default_rng(0).integers(0, len(truth), (2, PAIRS))
    apart = truth[first] - truth[second]
    counts = np.abs(apart) > APART * np.ptp(truth)
    same = np.sign(found[first] - found[second]) == np.sign(apart)
    return float(same[counts].mean())


def _figures(made: Lifted, thing: Thing | None, truth: Traced | None) -> LiftFigures:
    _, alpha, depth = made.splats.seen_by(made.seen.view())
    outline = _overlap(alpha, made.mask)
    if thing is None or truth is None:
        return LiftFigures(made.match, outline, float("nan"), float("nan"))
    inner = ndimage.binary_erosion(made.mask >= 0.99) & np.isfinite(depth)
    order = depth_order(depth[inner], truth.depth[inner])
    sides = [_overlap(made.splats.seen_by(made.seen.turned(side, pivot_of(made.seen)))[1],
                      trace(thing, camera(made.picture.size[0], side)).mask)
             for side in (-30.0, 30.0)]  # fmt: skip
    return LiftFigures(made.match, outline, order, float(np.mean(sides)))


def _look(name: str, made: Lifted, truth: Floats | None) -> Look:
    behind = np.broadcast_to(BEHIND, made.picture.color.shape)
    pivot = MIDDLE if truth is None else pivot_of(made.seen)
    front, side = (
        view_before(made.splats, made.seen.turned(turn, pivot), behind) for turn in (0, 30)
    )
    return Look(name, made.picture.color, front, side, truth)


def _painted(truth: Traced) -> tuple[Picture, Floats]:
    """Return what a camera would save: sRGB, the thing before BEHIND; and its mask."""
    straight = truth.color / np.maximum(truth.mask, 1e-6)[..., None]
    mask = truth.mask[..., None]
    color = encode_srgb(straight) * mask + (1 - mask) * BEHIND
    return Picture(color.astype(np.float32)), truth.mask.astype(np.float32)


def _length(truth: Traced, size: int, of: NDArray[np.bool_]) -> float:
    """Return the length that makes a lift as large as the thing: by the median depth `of` some."""
    rows, columns = (np.flatnonzero((truth.mask >= 0.5).any(axis=axis)) for axis in (1, 0))
    longest = max(np.ptp(rows), np.ptp(columns)) + 1
    depth = np.median(truth.depth[of & np.isfinite(truth.depth)])
    return float(longest * depth / camera(size).intrinsics[0])


def _overlap(first: NDArray[np.floating[Any]], second: NDArray[np.floating[Any]]) -> float:
    return float(np.minimum(first, second).sum() / np.maximum(first, second).sum())
