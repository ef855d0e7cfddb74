"""Posed splats to finished passes: lighting, shadows, background, and where the motion holds."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from ....kernels.splats.project import SplatPose, View
from ....kernels.splats.raster import Passes
from ....kernels.warp import motion_validity
from ...contract.arrays import Array, ArraySet
from ...contract.shot import Shot
from ...splatting.engines import EngineName, choose_engine
from ...splatting.frames import draw_frame
from ..air.light import flame_lamps, lit_gas
from ..air.rows import Rows, with_gas
from ..air.veil import veil_of
from ..bodies.prepare import Prepared
from ..captures.looks import Captured
from ..captures.seen import seen_from
from ..device import start_device
from ..splats import PosedSplats
from .backdrop import backdrop_of
from .blur import blurred
from .lamps import lamps_at
from .lighting import shade
from .nearness import Nearness
from .reflectance import Surface, surface_of
from .rendered import RenderedFrame, inside, only_inside
from .shadows import Arena, arena_of, cast_shadow

if TYPE_CHECKING:
    from ..progress import Listener

T = TypeVar("T")

SOLID = 0.5
"A pixel of less alpha shows the background: it has no depth, and moves with what is far away."
MOTION_STEP = np.float32(1 / 1024)
"Pixels: motion is kept in whole steps of this, and depth with 16 bits after the first, ..."
DEPTH_BITS = np.int32(~0x7F)
"... which no one can see, and makes the files smaller by a third."


@dataclass(frozen=True)
class Scene:
    """What every frame of a shot is rendered with."""

    shot: Shot
    arrays: ArraySet
    surface: Surface
    body: Array
    arena: Arena
    backdrop: Array
    captured: Captured | None = None
    engine: EngineName = "taichi"

    def view(self, frame: int) -> View:
        """Return the camera of a frame."""
        camera, film, row = self.shot.camera, self.shot.film, frame - self.shot.frames.first
        near, far = camera.clip_start, camera.clip_end
        if camera.clip is not None:
            near, far = self.arrays.of(camera.clip)[row].tolist()
        parallel = camera.orthographic is not None and self.arrays.of(camera.orthographic)[row]
        return View(
            camera_to_world=self.arrays.of(camera.camera_to_world)[row],
            intrinsics=self.arrays.of(camera.intrinsics)[row],
            width=film.width,
            height=film.height,
            near=near,
            far=far,
            orthographic=bool(parallel),
        )


@dataclass(frozen=True)
class Drawn:
    """A frame before its neighbours are known; `passes` None where only its depth is needed.

    `shown` (h, w, 4) is what the beauty shows of the splats, premultiplied.
    """

    depth: Array
    passes: Passes | None = None
    shown: Array | None = None


def scene_of(shot: Shot, arrays: ArraySet, prepared: Prepared) -> Scene:
    """Gather what every frame needs."""
    domain = prepared.domain
    low = domain.origin if domain else np.zeros(3)
    size = (np.array(domain.shape) - 1) * domain.spacing if domain else np.zeros(3)
    surface = surface_of(shot, prepared.looks)
    if prepared.captured is not None:
        surface.water[prepared.captured.splat] = False  # it looks as it was captured
    return Scene(
        shot,
        arrays,
        surface,
        prepared.looks.body,
        arena_of(shot, arrays, np.asarray(low), low + size),
        backdrop_of(shot, arrays),
        prepared.captured,
        choose_engine(start_device().name).name,
    )


def render(
    scene: Scene,
    posed: Iterator[tuple[int, PosedSplats]],
    *,
    wanted: Collection[int],
    known_depth: Callable[[int], Array],
    listener: "Listener",
) -> Iterator[RenderedFrame]:
    """Yield the wanted frames in order.

    `posed` yields, in order, at least every wanted frame and its neighbours; `known_depth` gives
    the depth that an earlier run delivered for a neighbour that is not wanted.
    """
    drawn = _draw_all(scene, posed, wanted, known_depth, listener)
    for before, (frame, here), after in _between(drawn):
        if here.passes is not None and here.shown is not None:
            yield _finish(scene, frame, (here.passes, here.shown), before, after)


def frames_to_pose(shot: Shot, wanted: Collection[int]) -> set[int]:
    """Return the wanted frames and their neighbours within the shot."""
    around = {frame + step for frame in wanted for step in (-1, 0, 1)}
    return around & set(shot.frames.numbers)


def _between(
    items: Iterator[tuple[int, T]],
) -> Iterator[tuple[T | None, tuple[int, T], T | None]]:
    """Yield each item with those of the frames before and after, None where there is none."""
    before: T | None = None
    here: tuple[int, T] | None = None
    for after in items:
        follows = here is not None and after[0] == here[0] + 1
        if here is not None:
            yield before, here, after[1] if follows else None
        before = here[1] if here is not None and follows else None
        here = after
    if here is not None:
        yield before, here, None


def _draw_all(
    scene: Scene,
    posed: Iterator[tuple[int, PosedSplats]],
    wanted: Collection[int],
    known_depth: Callable[[int], Array],
    listener: "Listener",
) -> Iterator[tuple[int, Drawn]]:
    for before, (frame, here), after in _between(posed):
        if frame in wanted:
            listener.check()
            others = [
                (other.pose, scene.view(frame + step)) if other is not None else None
                for other, step in ((before, -1), (after, 1))
            ]
            passes, shown = _draw(scene, frame, here, (others[0], others[1]), listener)
            yield frame, Drawn(_solid(scene, passes, passes.depth), passes, shown)
        elif frame - 1 in wanted or frame + 1 in wanted:
            yield frame, Drawn(known_depth(frame))


def _draw(
    scene: Scene,
    frame: int,
    posed: PosedSplats,
    others: tuple[tuple[SplatPose, View] | None, tuple[SplatPose, View] | None],
    listener: "Listener",
) -> tuple[Passes, Array]:
    """Light and rasterise one frame; `others` are the frames before and after."""
    around = [other[0] if other else None for other in others]
    rows = lit_rows(scene, frame, posed, (around[0], around[1]), listener)
    return _pictures(scene, frame, rows, others, listener)


def lit_rows(
    scene: Scene,
    frame: int,
    posed: PosedSplats,
    others: tuple[SplatPose | None, SplatPose | None],
    listener: "Listener",
) -> Rows:
    """Return a frame's splats in its light, as its camera sees them, gas among them.

    `others` are the poses in the frames before and after.
    """
    shot, view = scene.shot, scene.view(frame)
    surface, arena = scene.surface.without(posed.gone), scene.arena.around(posed.domain)
    veil = veil_of(shot, posed.gas.frame) if posed.gas is not None else None
    lamps = []
    for lamp in lamps_at(shot, scene.arrays, frame):
        listener.check()
        shadow = None
        if shot.render.shadows:
            shadow = cast_shadow(lamp, arena, posed.pose, surface.opacity)
        lamps.append((lamp, shadow))
    if posed.gas is not None:
        lamps += [(lamp, None) for lamp in flame_lamps(posed.gas)]
    listener.check()
    shaded = shade(
        seen_from(surface, scene.captured, posed, view.eye),
        posed.pose,
        posed.normal,
        eye=view.eye,
        ambient=np.array(shot.world.ambient, np.float32),
        lamps=lamps,
        nearness=Nearness(arena, posed.pose, posed.normal, surface.opacity),
        veil=veil,
    )
    listener.check()
    rows = Rows(posed.pose, shaded.color, shaded.opacity, shaded.normal, scene.body, *others)
    if posed.gas is not None and veil is not None:
        color = lit_gas(shot, posed.gas, lamps, veil=veil, eye=view.eye)
        rows = with_gas(rows, posed.gas, color, index=len(shot.bodies))
        listener.check()
    return rows


def _pictures(
    scene: Scene,
    frame: int,
    rows: Rows,
    others: tuple[tuple[SplatPose, View] | None, tuple[SplatPose, View] | None],
    listener: "Listener",
) -> tuple[Passes, Array]:
    """Rasterise lit splats: all passes, sharp, and what the beauty shows of them."""
    shot, view = scene.shot, scene.view(frame)
    before, after = (
        (pose, other[1]) if pose is not None and other is not None else None
        for pose, other in zip((rows.before, rows.after), others, strict=True)
    )
    passes = draw_frame(
        rows.pose,
        view,
        color=rows.color,
        opacity=rows.opacity,
        normal=rows.normal,
        index=rows.index,
        before=before,
        after=after,
        engine=scene.engine,
    )
    shown = np.concatenate([passes.color, passes.alpha[..., None]], axis=-1)
    if shot.render.blur is not None:
        views = others[0] and others[0][1], view, others[1] and others[1][1]
        for mean in blurred(shot, scene.arrays, frame, rows, views, scene.engine):
            listener.check()
            shown = mean
    return passes, shown


def _finish(
    scene: Scene,
    frame: int,
    images: tuple[Passes, Array],
    before: Drawn | None,
    after: Drawn | None,
) -> RenderedFrame:
    """Put the backdrop behind a frame, and tell where its motion holds."""
    passes, shown = images
    empty = passes.alpha < SOLID
    beauty = shown + (1 - shown[..., 3:]) * scene.backdrop
    nowhere = np.zeros(empty.shape, bool)
    valid_forward, valid_backward = (
        motion_validity(motion, depth, other.depth) if other is not None else nowhere
        for motion, depth, other in (
            (passes.forward, passes.depth_after, after),
            (passes.backward, passes.depth_before, before),
        )
    )
    made = RenderedFrame(
        frame=frame,
        beauty=beauty.astype(np.float32),
        depth=_solid(scene, passes, passes.depth),
        median=_solid(scene, passes, passes.median),
        coverage=passes.coverage,
        normal=np.where(empty[..., None], 0, passes.normal),
        index=np.where(empty, -1, passes.index),
        forward=_stepped(passes.forward),
        backward=_stepped(passes.backward),
        valid_forward=valid_forward,
        valid_backward=valid_backward,
    )
    return only_inside(made, scene.shot.film.region)


def _solid(scene: Scene, passes: Passes, depth: Array) -> Array:
    """Return depth as it is delivered: a later run reads it back, and must find the same bits."""
    depth = np.where(passes.alpha < SOLID, np.float32(np.inf), depth)
    depth = inside(depth, scene.shot.film.region, np.inf)
    return (depth.astype(np.float32).view(np.int32) & DEPTH_BITS).view(np.float32)


def _stepped(motion: Array) -> Array:
    return np.round(motion / MOTION_STEP) * MOTION_STEP
