"""Lifts that are refined: kept by all that they depend on, ended and gone on with."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from ....contract.arrays import Array
from ....splatting.engines import EngineName
from ...cache import FrameCache, stage_key
from ..depth_maps import DepthMap
from ..form import form_of
from ..lift import Lifted, LiftOptions, match_of
from ..splats import Splats, splats_over
from .guide import Guide, guide_by_body, guide_by_color
from .refine import RefineListener, RefineSettings, refined

VERSION = 2
"Raised when a refinement makes something else of the same splats: old results are left alone."
GUIDE_SPLATS = 20_000
"Splats of a body that nothing is asked of but its depth."
NAMES = ("mean", "scale", "turn", "color", "opacity")
DONE = 0
"The frame of the cache that holds the finished splats."


@dataclass(frozen=True)
class Work:
    """Where a refinement is kept, what draws it, and who hears of it."""

    cache: Path | None = None
    engine: EngineName = "taichi"
    listener: RefineListener | None = None


def refine_lift(
    made: Lifted, options: LiftOptions, depth: DepthMap | None = None, work: Work | None = None
) -> Lifted:
    """Refine a lift's splats over `options.epochs`; its form stays as it is.

    `depth` is what is known of the picture's. Splats of a lift's own form that are no nearer to the
    picture then are given back as they were. Raises LiftError, DiskFullError, and what the listener
    raises.
    """
    work = work or Work()
    guide, settings = guide_of(made, options, depth), settings_of(made, options)
    kept = None
    if work.cache is not None:
        key = _key(made.splats, guide, settings, work.engine)
        kept = FrameCache(work.cache / "lift" / key)
    found = None if kept is None else kept.find(DONE)
    if found is None:
        splats = refined(
            made.splats, guide.picture, guide.camera, guide.views, settings,
            engine=work.engine, kept=kept, listener=work.listener,
        )  # fmt: skip
        if kept is not None:
            kept.write(DONE, _arrays(splats))
    else:
        splats = Splats(*(np.asarray(found[name], np.float32) for name in NAMES))
    match = match_of(splats, made.seen, made.picture, made.mask)
    note = f"Refined over {options.epochs:,} epochs: {made.match:.1f} dB before, {match:.1f} after."
    if made.shape is not None and match < made.match:
        return replace(made, notes=(*made.notes, f"{note} The splats from before are kept."))
    return replace(
        made, splats=splats, match=match, notes=(*made.notes, note), epochs=options.epochs
    )


def settings_of(made: Lifted, options: LiftOptions) -> RefineSettings:
    """Return how a lift's splats learn.

    Those of its own form lie on it already: they learn from colour alone, at the paper's rates.
    """
    settings = RefineSettings(seed=options.seed)
    if made.shape is not None:
        return replace(settings, hard=None).over(options.epochs)
    return settings.within(options.epochs)


def guide_of(made: Lifted, options: LiftOptions, depth: DepthMap | None = None) -> Guide:
    """Return what a lift's splats learn from.

    Those that a network or something else made are held to the form that silhouette or depth gives.
    """
    if made.shape is not None:
        return guide_by_color(made.picture, made.mask, made.seen, made.splats)
    shape = form_of(made.mask, made.seen, depth=depth, roundness=options.roundness).shape
    rng = np.random.default_rng(options.seed)
    body = splats_over(shape, made.picture, made.mask, made.seen, count=GUIDE_SPLATS, rng=rng)
    return guide_by_body(made.picture, made.mask, made.seen, made.splats, body)


def _arrays(splats: Splats) -> dict[str, Array]:
    return {name: getattr(splats, name) for name in NAMES}


def _key(splats: Splats, guide: Guide, settings: RefineSettings, engine: EngineName) -> str:
    """Return the name of all that a refinement depends on."""
    cameras = [guide.camera, *(view.camera for view in guide.views)]
    return stage_key(
        "prepare", "lift", VERSION, _arrays(splats), guide.picture,
        [view.depth for view in guide.views],
        [(c.camera_to_world.numpy(), c.intrinsics.numpy(), c.width, c.height) for c in cameras],
        asdict(settings), engine,
    )  # fmt: skip
