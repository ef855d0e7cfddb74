"""From one picture to a body: mask, background, form, splats (Tan et al., PhysMotion, 2024, 3.3).

Without weights the form is inflated from the silhouette, or follows depth that is given; with LGM's
weights and three more views, LGM's splats are the body, and so are those of a file that something
else made of the picture.
"""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...contract.errors import LiftError
from ..bodies.shape import Shape
from .background import inpainted
from .depth_maps import DepthKind, DepthMap, estimated_depth, read_depth
from .form import form_of
from .lattice import bounds_of
from .masks import alpha_mask, box_mask, require_object
from .picture import Floats, Picture, read_grey, read_picture
from .refinement.coarse import read_coarse
from .seen import Seen, seen_from
from .splats import EDGE, MOST_SPLATS, Splats, front_view, splats_over

if TYPE_CHECKING:
    from .refinement.lifts import Work

MOST_EPOCHS = 100_000


@dataclass(frozen=True)
class LiftOptions:
    """What an artist says of a picture.

    The mask comes from `mask` (a painted file), else from `sam` (a folder of weights), else from
    `box` (left, top, right, bottom in pixels of the file) by GrabCut, else from the picture's
    alpha. Depth comes from `depth`, of the kind `depth_kind`, else from `depth_model` (a folder of
    weights), else from the silhouette. Splats lie on that form, unless `lgm` (a file or folder of
    weights) makes them, with `views`: three more of the object, at azimuths of 90, 180 and 270
    degrees; or a file of `coarse` ones has them (see refinement/coarse.py). `length` in metres is
    that of the object's longer side, `lens` in millimetres that of the camera, `roundness` how far
    it reaches along the view, `epochs` how long the splats are refined.
    """

    mask: Path | None = None
    box: tuple[int, int, int, int] | None = None
    sam: Path | None = None
    depth: Path | None = None
    depth_kind: DepthKind = "depth"
    depth_model: Path | None = None
    lgm: Path | None = None
    views: tuple[Path, ...] = ()
    coarse: Path | None = None
    length: float = 1.0
    lens: float = 50.0
    roundness: float = 1.0
    splats: int | None = None
    longest: int = 1024
    epochs: int = 0
    seed: int = 0


@dataclass(frozen=True)
class Lifted:
    """A body made of a picture, in its own space (see seen.py).

    `background` (H, W, 3) sRGB is what lies behind it, None where the picture shows none. `shape`
    is its closed surface, None where LGM or something else made the splats: those have none.
    `match` is the PSNR in dB of the object in its front view against the picture; `epochs` those
    that refined it.
    """

    picture: Picture
    mask: Floats
    background: Floats | None
    seen: Seen
    shape: Shape | None
    splats: Splats
    match: float
    notes: tuple[str, ...]
    epochs: int = 0


def lift(path: Path, options: LiftOptions, work: "Work | None" = None) -> Lifted:
    """Make a body of the picture in a file. Taichi must have been started.

    `work` says where a refinement is kept and who hears of it. Raises LiftError, CaptureError and
    ModelError, before anything is made of it.
    """
    _check(options)
    picture = read_picture(path, longest=options.longest)
    mask = _mask(path, picture, options)
    require_object(mask)
    depth = None
    if options.depth is not None:
        depth = read_depth(options.depth, options.depth_kind, picture.size)
    elif options.depth_model is not None:
        depth = estimated_depth(picture, options.depth_model)
    if options.lgm is not None:
        made = _lifted_by_lgm(picture, mask, options.lgm, options)
    elif options.coarse is not None:
        made = lifted_from(options.coarse, picture, mask, options, depth=depth)
    else:
        made = lifted(picture, mask, options, depth=depth)
    if not options.epochs:
        return made
    from .refinement.lifts import refine_lift

    return refine_lift(made, options, depth, work)


def lifted(
    picture: Picture, mask: Floats, options: LiftOptions, *, depth: DepthMap | None = None
) -> Lifted:
    """Make a body of what a mask (H, W) holds of a picture."""
    seen = _seen(picture, mask, options)
    shape = form_of(mask, seen, depth=depth, roundness=options.roundness).shape
    rng = np.random.default_rng(options.seed)
    splats = splats_over(shape, picture, mask, seen, count=options.splats, rng=rng)
    return _made(picture, mask, seen, splats, shape=shape)


def lifted_from(
    coarse: Path, picture: Picture, mask: Floats, options: LiftOptions,
    *, depth: DepthMap | None = None,
) -> Lifted:  # fmt: skip
    """Make a body of a file of splats of the picture. Raises LiftError, CaptureError."""
    seen = _seen(picture, mask, options)
    form = form_of(mask, seen, depth=depth, roundness=options.roundness)
    splats, notes = read_coarse(coarse, seen, mask, form)
    return _made(picture, mask, seen, splats, notes=notes)


def _lifted_by_lgm(picture: Picture, mask: Floats, weights: Path, options: LiftOptions) -> Lifted:
    from .lgm.model import lgm_splats
    from .lgm.weights import load_network

    others = list(options.views)
    splats, seen = lgm_splats(load_network(weights), picture, mask, others, length=options.length)
    return _made(picture, mask, seen, splats)


def _seen(picture: Picture, mask: Floats, options: LiftOptions) -> Seen:
    box = bounds_of(mask >= 0.5)
    return seen_from(picture.size, box, lens=options.lens, length=options.length)


def _made(
    picture: Picture, mask: Floats, seen: Seen, splats: Splats, *, shape: Shape | None = None,
    notes: tuple[str, ...] = (),
) -> Lifted:  # fmt: skip
    background, more = _background(picture, mask)
    match = match_of(splats, seen, picture, mask)
    return Lifted(picture, mask, background, seen, shape, splats, match, (*notes, *more))


def match_of(splats: Splats, seen: Seen, picture: Picture, mask: Floats) -> float:
    """Return the PSNR [dB] of the front view against the picture, over the object's pixels.

    It is before white, so that clear splats do not show what they are compared with; at the
    object's border, which the picture's background mixes into, before the picture itself.
    """
    behind = np.where(mask[..., None] >= EDGE, np.float32(1), picture.color)
    shown = front_view(splats, seen, behind)
    inside = mask >= 0.5
    error = np.square(shown - picture.color, dtype=np.float64)[inside].mean()
    return float(-10 * np.log10(error + 1e-12))


def _check(options: LiftOptions) -> None:
    within = {
        "a length": (options.length, 1e-3, 1e4, "m"),
        "a lens": (options.lens, 5.0, 5000.0, "mm"),
        "a roundness": (options.roundness, 0.05, 10.0, ""),
        "a longest side": (options.longest, 32, 8192, "pixels"),
        "a number of splats": (options.splats or 1000, 100, MOST_SPLATS, ""),
        "a refinement": (options.epochs, 0, MOST_EPOCHS, "epochs"),
    }
    for what, (value, low, high, unit) in within.items():
        if not low <= value <= high:
            raise LiftError(
                f"Expected {what} of {low:g} to {high:g} {unit}".rstrip() + f", got {value:g}.",
                "Choose one in between.",
            )
    if options.lgm is not None and options.coarse is not None:
        raise LiftError(
            "Expected splats of LGM or coarse ones of a file, got both.", "Leave one of them out."
        )
    if options.epochs and find_spec("torch") is None:
        raise LiftError(
            "A refinement needs torch, which is not installed.",
            "Set up diffusion, which brings it.",
        )


def _mask(path: Path, picture: Picture, options: LiftOptions) -> Floats:
    if options.mask is not None:
        return read_grey(options.mask, picture.size)
    box = None if options.box is None else _scaled(path, picture, options.box)
    if options.sam is not None:
        from .sam import sam_mask

        return sam_mask(picture, options.sam, box=box)
    return alpha_mask(picture) if box is None else box_mask(picture, box)


def _scaled(
    path: Path, picture: Picture, box: tuple[int, int, int, int]
) -> tuple[int, int, int, int]:
    """Return a box in pixels of the picture as it is worked on, of one in those of its file."""
    whole = read_picture(path, longest=1 << 16).size
    x, y = (picture.size[k] / whole[k] for k in (0, 1))
    left, top, right, bottom = box
    return round(x * left), round(y * top), round(x * right), round(y * bottom)


def _background(picture: Picture, mask: Floats) -> tuple[Floats | None, tuple[str, ...]]:
    """Return what lies behind the object, where the picture shows it, and notes for people."""
    if picture.alpha is not None:
        return None, ()
    try:
        return inpainted(picture, mask), ()
    except LiftError as err:  # a body is worth having without
        return None, (str(err),)
