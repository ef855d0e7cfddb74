"""A shot that is looked at: its splats posed and lit at the frames asked for, each kept a while.

What does not change with the view is worked out once for a frame: pose, shadows, what stands near.
A first look takes the lamps without their shadows, in a hundredth of the time.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ....kernels.splats.project import SplatPose
from ....kernels.splats.shade import ShadowMap
from ...contract.arrays import Array, ArraySet
from ...contract.shot import Shot
from ...contract.views import Bodies
from ..air.flocks import with_flocks
from ..air.light import flame_lamps, lit_gas
from ..air.rows import Rows, with_gas
from ..air.simulated import Simulated
from ..air.veil import Veil, veil_of
from ..bodies.prepare import prepare
from ..captures.seen import seen_from
from ..images.lamps import Lamp, lamps_at
from ..images.lighting import Shaded, shade
from ..images.nearness import Nearness
from ..images.reflectance import Surface
from ..images.render import scene_of
from ..images.shadows import cast_shadow
from ..splats import PosedSplats, pose_splats
from .kept import KeptFrames, KeptGas, Silent, at_rest, kept_bodies

FRAMES_BYTES = 256 << 20
"What posed frames may take together; the one shown stays, whatever it takes."
SPLAT_BYTES = 100
"""Of one splat in a posed and lit frame: pose, normal, colour, opacity; and what lies near it."""

Check = Callable[[], None]


@dataclass
class Posed:
    """One frame: where the splats are, and their light as it was last worked out."""

    splats: PosedSplats
    veil: Veil | None = None
    "The gas between lamps and splats."
    gas_color: Array | None = None
    lamps: list[tuple[Lamp, ShadowMap | None]] = field(default_factory=list)
    nearness: Nearness | None = None
    shaded: Shaded | None = None
    eye: Array | None = None
    "Where `shaded` is right for, if it is fine; None where it is rough."


@dataclass(frozen=True)
class Lit:
    """What there is to draw: pose, radiance `color` (n, 3), `opacity` (n,)."""

    pose: SplatPose
    color: Array
    opacity: Array
    fine: bool


class Watched:
    """One shot, prepared; raises what `prepare` raises.

    With `rests`, frames that are not simulated show all that moves where it starts.
    """

    def __init__(self, shot: Shot, arrays: ArraySet, cache: Path, *, rests: bool = False) -> None:
        self._rests = rests

        def bodies_of(shot: Shot, arrays: ArraySet) -> Simulated:
            return kept_bodies(shot, arrays, prepare(shot, arrays), cache)

        shot, arrays = with_flocks(shot, arrays, cache, Silent(), bodies_of)
        self._shot, self._arrays = shot, arrays
        self._prepared = prepare(shot, arrays)
        bodies = None
        if self._prepared.domain is not None:
            bodies = kept_bodies(shot, arrays, self._prepared, cache)
        self._scene = scene_of(shot, arrays, self._prepared)
        self.kept = KeptFrames(shot, arrays, self._prepared, cache)
        self._gas = KeptGas(shot, arrays, cache, bodies) if shot.emitters else None
        self._frames: OrderedDict[int, Posed] = OrderedDict()
        count = max(1, len(self._prepared.rest_mean))
        self._limit = max(1, FRAMES_BYTES // (count * SPLAT_BYTES))
        self._chosen: dict[Bodies, Array | None] = {"all": None, "splats_only": self._unseen()}

    def lit(
        self, frame: int, eye: Array, *, bodies: Bodies, fine: bool, check: Check
    ) -> Lit | None:
        """Return a frame's splats in the light that `eye` (3,) sees; None where it is not kept.

        Rough ones keep the light of their last fine look. Raises what `check` raises, which is
        asked between steps.
        """
        posed = self._posed(frame)
        if posed is None:
            return None
        check()
        if fine and (posed.eye is None or not np.array_equal(posed.eye, eye)):
            self._light(frame, posed, eye, check)
        elif posed.shaded is None:
            lamps = [*lamps_at(self._shot, self._arrays, frame), *_flames(posed)]
            posed.shaded = self._shade(posed, eye, [(lamp, None) for lamp in lamps])
        assert posed.shaded is not None
        is_fine = posed.eye is not None and np.array_equal(posed.eye, eye)
        rows = self._rows(posed, posed.shaded, self._chosen[bodies])
        return Lit(rows.pose, rows.color, rows.opacity, is_fine)

    def _rows(self, posed: Posed, shaded: Shaded, chosen: Array | None) -> Rows:
        """Return the splats of bodies that are to be seen, and of gas."""
        pose, index = posed.splats.pose, self._scene.body
        rows = Rows(pose, shaded.color, shaded.opacity, shaded.normal, index)
        if chosen is not None:
            backing = None if pose.backing is None else pose.backing[chosen]
            rows = Rows(
                SplatPose(pose.mean[chosen], pose.axes[chosen], backing), shaded.color[chosen],
                shaded.opacity[chosen], shaded.normal[chosen], index[chosen],
            )  # fmt: skip
        if posed.splats.gas is None or posed.gas_color is None:
            return rows
        return with_gas(rows, posed.splats.gas, posed.gas_color, index=len(self._shot.bodies))

    def _posed(self, frame: int) -> Posed | None:
        found = self._frames.get(frame)
        if found is None:
            simulated = self.kept.find(frame)
            if simulated is None and self._rests:
                simulated = at_rest(self._prepared, frame)
            if simulated is None:
                return None
            splats = pose_splats(self._shot, self._arrays, self._prepared, simulated)
            veil = None
            if self._gas is not None and frame > self._shot.frames.simulation_start:
                gas = self._gas.find(frame)
                if gas is not None:
                    splats, veil = replace(splats, gas=gas), veil_of(self._shot, gas.frame)
                elif not self._rests:
                    return None
            found = self._frames[frame] = Posed(splats, veil)
            while len(self._frames) > self._limit:
                self._frames.popitem(last=False)
        self._frames.move_to_end(frame)
        return found

    def _light(self, frame: int, posed: Posed, eye: Array, check: Check) -> None:
        """Work the light out as a take has it; what serves every eye is kept with the newest."""
        splats = posed.splats
        surface, arena = self._seen(splats), self._scene.arena.around(splats.domain)
        if posed.nearness is None:
            lamps: list[tuple[Lamp, ShadowMap | None]] = []
            for lamp in lamps_at(self._shot, self._arrays, frame):
                check()
                shadow = None
                if self._shot.render.shadows:
                    shadow = cast_shadow(lamp, arena, splats.pose, surface.opacity)
                lamps.append((lamp, shadow))
            lamps += [(lamp, None) for lamp in _flames(posed)]
            check()
            nearness = Nearness(arena, splats.pose, splats.normal, surface.opacity)
            for other in self._frames.values():
                other.lamps, other.nearness = [], None
            posed.lamps, posed.nearness = lamps, nearness
        check()
        posed.shaded = self._shade(posed, eye, posed.lamps)
        posed.eye = eye.copy()

    def _shade(
        self, posed: Posed, eye: Array, lamps: Sequence[tuple[Lamp, ShadowMap | None]]
    ) -> Shaded:
        if posed.splats.gas is not None and posed.veil is not None:
            posed.gas_color = lit_gas(
                self._shot, posed.splats.gas, lamps, veil=posed.veil, eye=np.asarray(eye, float)
            )
        return shade(
            seen_from(self._seen(posed.splats), self._scene.captured, posed.splats, eye),
            posed.splats.pose,
            posed.splats.normal,
            eye=eye,
            ambient=np.array(self._shot.world.ambient, np.float32),
            lamps=lamps,
            nearness=posed.nearness,
            veil=posed.veil,
        )

    def _seen(self, splats: PosedSplats) -> Surface:
        return self._scene.surface.without(splats.gone)

    def _unseen(self) -> Array:
        """Return the splats (m,) of bodies that Blender itself does not show as they are."""
        bodies = self._shot.bodies
        other = np.array([b.role == "dynamic" or b.capture is not None for b in bodies], bool)
        return np.flatnonzero(other[self._scene.body]) if len(other) else np.zeros(0, np.int64)


def _flames(posed: Posed) -> list[Lamp]:
    """Return what shines as the frame's flames do."""
    return flame_lamps(posed.splats.gas) if posed.splats.gas is not None else []
