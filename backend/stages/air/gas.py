"""Smoke and fire frame by frame: drives the kernel, keeps frames and newest states in the cache.

As in simulate: what is yielded has been through the form that a frame is kept in, so a frame from
the cache equals one just made, bit for bit. Only the box where something is is kept.
"""

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ....kernels.fields import pushed
from ....kernels.fluids.gas import HEAT, SMOKE, TINTS, Gas, GasSettings
from ....kernels.fluids.grid import FluidDomain
from ...contract.arrays import Array, ArrayRef, ArraySet
from ...contract.errors import SimulationError
from ...contract.forces import Field
from ...contract.shot import Emitter, Shot
from ..acting import constants, kernel_field, said_at
from ..bodies.shape import track_row
from ..cache import FrameCache, stage_key
from .obstacles import touched_bodies
from .room import Room
from .simulated import Simulated

if TYPE_CHECKING:
    from ..progress import Listener

Floats = NDArray[np.float32]

FAINT, LUKEWARM = 0.02, 2.0
"1/m of smoke and K of heat below which a cell counts as empty."
AROUND = 2
"Cells kept around what is not empty."


@dataclass(frozen=True)
class GasFrame:
    """What is in the air at a frame: the box of cells (nx, ny, nz) where something is.

    `smoke` [1/m], `heat` [K], `color` (…, 3) the share of light that the smoke scatters, `velocity`
    on the faces (nx + 1, ny + 1, nz + 1, 3) [m/s]. The `domain` is the box's own.
    """

    frame: int
    domain: FluidDomain
    smoke: Floats
    heat: Floats
    color: Floats
    velocity: Floats


def settings_of(shot: Shot) -> GasSettings:
    """Return the kernel's settings for a shot's gas."""
    gas = shot.gas
    return GasSettings(
        vorticity=gas.vorticity, viscosity=gas.viscosity, weight=gas.weight, cooling=gas.cooling,
        radiating=gas.radiation, thinning=gas.dissipation, burning=gas.burning_rate,
        flame=gas.flame_temperature, soot=gas.soot, soot_color=gas.soot_color,
        swelling=gas.expansion,
    )  # fmt: skip


def is_tinted(shot: Shot) -> bool:
    """Whether smoke of several colours may mix."""
    colors = {emitter.color for emitter in shot.emitters}
    burns = any(isinstance(e.fuel, ArrayRef) or e.fuel > 0 for e in shot.emitters)
    return len(colors | ({shot.gas.soot_color} if burns and shot.gas.soot > 0 else set())) > 1


def gas_key(shot: Shot, domain: FluidDomain, bodies: Simulated | None = None) -> str:
    """Return the key of all that the gas depends on, except tracks after its first frame.

    `bodies` are the simulated ones that stand in it.
    """
    solid = solids_key(shot, bodies)
    fields = [constants(force) for force in shot.forces if isinstance(force, Field)]
    return stage_key(
        "simulate", "gas",
        (domain.shape, domain.spacing, domain.origin, domain.open_low, domain.open_high),
        [getattr(shot.gas, name) for name in shot.gas.__struct_fields__
         if name not in ("domain", "looks", "closed", "resolution")],
        [_constants(emitter) for emitter in shot.emitters],
        solid, fields, shot.world.ground and shot.world.ground.height,
        (shot.seed, shot.frames.fps, shot.frames.simulation_start),
    )  # fmt: skip


def solids_key(shot: Shot, bodies: Simulated | None) -> list[object]:
    """Return all that is said once and for all of what keeps air and agents out."""
    fixed = touched_bodies(shot)
    meshes = [(b.mesh.vertices, b.mesh.triangles, b.thickness, b.capture) for b in fixed]
    return [meshes, "" if bodies is None else bodies.key]


def _constants(emitter: Emitter) -> list[object]:
    """Return all that an emitter says once and for all."""
    numbers = [None if isinstance(value, ArrayRef) else value
               for value in (emitter.smoke, emitter.temperature, emitter.fuel)]  # fmt: skip
    return [emitter.mesh.vertices, emitter.mesh.triangles, emitter.rate, emitter.color,
            emitter.velocity, emitter.inheritance, emitter.thickness, *numbers]  # fmt: skip


def gas_digests(shot: Shot, arrays: ArraySet, bodies: Simulated | None = None) -> dict[int, bytes]:
    """Return for every simulated frame a digest of all that tracks and windows said up to it."""
    digest, digests = b"", {}
    tracks = [shot.gravity, *(body.poses for body in touched_bodies(shot))]
    for emitter in shot.emitters:
        numbers = (emitter.smoke, emitter.temperature, emitter.fuel)
        tracks += [emitter.poses, *(n for n in numbers if isinstance(n, ArrayRef))]
    for frame in range(shot.frames.simulation_start, shot.frames.last + 1):
        rows = [np.asarray(track_row(shot.frames, arrays.of(ref), frame)) for ref in tracks]
        for force in shot.forces:
            if isinstance(force, Field):
                rows += said_at(shot, arrays, force, frame)
        for emitter in shot.emitters:
            first, last = emitter.window.first, emitter.window.last
            ends = [-np.inf if first is None else first, np.inf if last is None else last]
            rows.append(np.clip(ends, frame - 1, frame))
        if bodies is not None:
            rows.append(np.frombuffer(bodies.digests[frame], np.uint8))
        digest = hashlib.sha256(digest + b"".join(row.tobytes() for row in rows)).digest()
        digests[frame] = digest
    return digests


class GasRun:
    """One pass over the frames of a shot's gas; the kernel starts when the first one is missing.

    `cache` is the one of `gas_key`; `bodies` are the simulated ones, which a frame needs up to it.
    """

    def __init__(
        self,
        shot: Shot,
        arrays: ArraySet,
        domain: FluidDomain,
        cache: FrameCache,
        listener: "Listener",
        bodies: Simulated | None = None,
    ) -> None:
        self._shot, self._arrays, self._domain = shot, arrays, domain
        self._cache, self._listener, self._bodies = cache, listener, bodies
        self._digests = gas_digests(shot, arrays, bodies)
        self._gas: Gas | None = None
        self._room: Room | None = None
        self._frame = shot.frames.simulation_start

    def at(self, frame: int) -> GasFrame:
        """Return a frame, up to the shot's last, from the cache or computed.

        Frames before the simulation's start show its first state. Raises SimulationError, and what
        `listener.check` raises.
        """
        wanted = max(frame, self._shot.frames.simulation_start)
        record = self._cached(wanted)
        if record is None:
            if self._gas is None or self._frame > wanted:
                self._gas = self._start(wanted)
            while self._frame < wanted:
                self._step(self._gas)
            record = self._cached(wanted)
            assert record is not None
        self._tell(wanted)
        return _unpacked(frame, self._domain, record)

    def kept(self, frame: int) -> GasFrame | None:
        """Return a frame as `at` does where the cache has it; computes nothing."""
        record = self._cached(max(frame, self._shot.frames.simulation_start))
        return None if record is None else _unpacked(frame, self._domain, record)

    def _cached(self, frame: int) -> dict[str, Array] | None:
        record = self._cache.find(frame)
        if record is None or record.pop("tracks").tobytes() != self._digests[frame]:
            return None
        return record

    def _start(self, frame: int) -> Gas:
        """Make the kernel, at the newest checkpoint up to `frame` whose past was the same."""
        start = self._shot.frames.simulation_start
        self._room = Room(self._shot, self._arrays, self._domain, self._bodies)
        solid = self._room.solid_at_start()
        gas = Gas(self._domain, settings_of(self._shot), solid, tinted=is_tinted(self._shot))
        for name in self._room.buried_at_start():
            self._listener.log(
                "warning",
                f"{name}: all of it is inside of other objects, so no smoke comes out. Move it, or "
                "make it larger.",
            )
        self._frame = start
        kept = self._cache.newest_checkpoint(frame)
        while kept is not None:
            number, state = kept
            if state.pop("tracks").tobytes() == self._digests.get(number):
                gas.restore(state)
                self._frame = number
                break
            kept = self._cache.newest_checkpoint(number - 1)
        self._keep(gas)
        return gas

    def _step(self, gas: Gas) -> None:
        """Advance by one frame, and keep frame and state."""
        assert self._room is not None
        room, frame, shot = self._room, self._frame, self._shot
        gravity = [track_row(shot.frames, self._arrays.of(shot.gravity), frame + k) for k in (0, 1)]
        try:
            gas.advance(
                1 / shot.frames.fps,
                np.mean(gravity, axis=0),
                room.emissions(frame),
                obstacles=(lambda share: room.obstacles(frame, share)) if room.moves else None,
                blow=self._blow(frame),
                on_substep=self._on_substep,
            )
        except FloatingPointError as error:
            raise SimulationError(
                f"Smoke, frame {frame + 1}: expected air that moves, but {error}.",
                "Lower what its emitters and force fields give it, or the vorticity.",
            ) from error
        self._frame += 1
        self._keep(gas)

    def _blow(self, frame: int) -> "_Blow | None":
        fields = [force for force in self._shot.forces if isinstance(force, Field)]
        if not fields:
            return None
        ends = [
            tuple(kernel_field(self._shot, self._arrays, f, frame + k, frame + 1) for k in (0, 1))
            for f in fields
        ]
        return _Blow(self._domain, [(a, b) for a, b in ends])

    def _on_substep(self, share: float) -> None:
        self._listener.check()
        self._tell(self._frame + share)

    def _tell(self, frame: float) -> None:
        frames = self._shot.frames
        total = max(frames.last - frames.simulation_start, 1)
        self._listener.progress("simulate", frame - frames.simulation_start, total, None)

    def _keep(self, gas: Gas) -> None:
        """Write the present frame, then the state that it came from."""
        tracks = {"tracks": np.frombuffer(self._digests[self._frame], np.uint8)}
        if self._cached(self._frame) is None:
            self._cache.write(self._frame, _packed(gas) | tracks)
        self._cache.write_checkpoint(self._frame, gas.state() | tracks)


class _Blow:
    """What the shot's force fields do to air in a frame."""

    def __init__(self, domain: FluidDomain, fields: list[tuple[object, object]]) -> None:
        self._fields = fields
        middles = np.moveaxis(np.indices(domain.shape), 0, -1) + 0.5
        self._places = (middles * domain.spacing + domain.origin).reshape(-1, 3)

    def __call__(self, velocity: Floats, share: float, seconds: float) -> Floats:
        before = velocity.reshape(-1, 3).astype(np.float64)
        after = pushed(self._fields, share, self._places, before, seconds)  # type: ignore[arg-type]
        return np.asarray((after - before).reshape(velocity.shape), np.float32)


def _packed(gas: Gas) -> dict[str, Array]:
    """Take what a frame keeps: the box where something is, in half precision."""
    smoke, heat = gas.read(SMOKE), gas.read(HEAT)
    full = np.argwhere((smoke > FAINT) | (np.abs(heat) > LUKEWARM))
    if not len(full):
        full = np.zeros((1, 3), int)
    low = np.maximum(full.min(axis=0) - AROUND, 0)
    high = np.minimum(full.max(axis=0) + 1 + AROUND, gas.domain.shape)
    cells = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    faces = tuple(slice(a, b + 1) for a, b in zip(low, high, strict=True))
    record: dict[str, Array] = {"low": low, SMOKE: _half(smoke[cells]), HEAT: _half(heat[cells])}
    record["velocity"] = _half(gas.velocity()[faces])
    tints = [name for name in TINTS if name in gas.names]
    share = [gas.read(name)[cells] / np.maximum(smoke[cells], 1e-6) for name in tints]
    record["color"] = _half(np.stack(share, axis=-1)) if tints else np.zeros(0, np.float16)
    return record


def _half(values: Floats) -> Array:
    return np.clip(values, -6e4, 6e4).astype(np.float16)


def _unpacked(frame: int, whole: FluidDomain, record: dict[str, Array]) -> GasFrame:
    shape = record[SMOKE].shape
    origin = np.asarray(whole.origin) + record["low"] * whole.spacing
    box = replace(whole, shape=tuple(int(n) for n in shape), origin=tuple(float(x) for x in origin))
    return GasFrame(
        frame, box,
        *(np.ascontiguousarray(record[name], np.float32)
          for name in (SMOKE, HEAT, "color", "velocity")),
    )  # fmt: skip
