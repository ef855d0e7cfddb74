"""The parts of a substep as launches of kernels over one set of arrays; called by solver.

Nothing here decides when: the solver does. Per substep the host reads one small report.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import taichi as ti
from numpy.typing import NDArray

from . import collide, gather, grid, state, tracers, transfer
from .colliders import BOUNDARIES, Plane, motion_between
from .contact import layers, meet
from .contact.given import Meeting, bonds
from .contact.layers import Layers
from .deforming import DeformingField, Solid, field_of
from .forces import holds, pushes
from .growth import Growth, Sides, moved_out, no_growth
from .input import Diverged, Domain, Push
from .materials.laws import Law
from .materials.table import FLUID, KIND, law_kinds, law_table
from .plan import Plan, Sorter
from .state import PAD, Layout

Floats = NDArray[np.float32]

RESTING = 0.9
"""Cells between the ground and the next layer of nodes below: solids rest on that one, sand and
water on the next above, each with hardly a gap."""
LOST = 0.004
"""Share of the rest density that says that no particle is within about a cell."""
LEASH = 0.5
"""Cells from a particle at which a lost tracer is set down."""
WALLS = {"open": grid.OPEN_WALL, "slip": grid.SLIP_WALL, "stick": grid.STICK_WALL}


def grid_layout(domain: Domain, ground: Plane | None) -> Layout:
    """Lay the grid over the domain, shifted down by part of a cell to suit the ground's height."""
    if ground is None:
        return Layout(domain.origin, domain.spacing, domain.shape)
    above = (ground.height - domain.origin[2]) / domain.spacing
    shift = (RESTING - above) % 1.0
    x, y, z = domain.origin
    nx, ny, nz = domain.shape
    return Layout((x, y, z - shift * domain.spacing), domain.spacing, (nx, ny, nz + 1))


class Stepper:
    """Particles, tracers, grid and colliders on the device."""

    def __init__(
        self,
        domain: Domain,
        laws: Sequence[Law],
        counts: tuple[int, int],
        solids: Sequence[Solid],
        ground: Plane | None,
        meeting: Meeting,
    ) -> None:
        particle_count, tracer_count = counts
        self.on_cpu = ti.cfg.arch in (ti.x64, ti.arm64)
        self.layout = self._first = grid_layout(domain, ground)
        self.sides = no_growth()
        "How many cells the sides of the domain have moved out by."
        self.layers = Layers(meeting, self.layout)
        self._meeting = meeting
        self._bonds = bonds(meeting)
        self.table = law_table(laws)
        self._kinds = law_kinds(laws)
        self._flows = int((self.table[:, KIND].astype(int) & FLUID).any())
        self._walls = WALLS[domain.walls]
        self._ground = ground
        self._set_border(domain)
        self.colliders = [field_of(solid, self.layout) for solid in solids]
        self.particles = state.empty_particles(particle_count)
        self._spare_particles = state.empty_particles(particle_count)
        self.tracers = state.empty_tracers(tracer_count)
        self._spare_tracers = state.empty_tracers(tracer_count)
        self._sorter = Sorter(self.layout, serial=self.on_cpu)
        self._plan = Plan.none()
        self._make_nodes(1)
        rows = max(particle_count, 1)
        runs = -(-rows // transfer.RUN) if self.on_cpu else 1
        self._report = np.zeros((runs, gather.REPORT), np.float32)
        self._seed = ti.Vector.ndarray(4, ti.f32, transfer.SEED * runs)
        runs = -(-max(tracer_count, 1) // transfer.RUN)
        self._ridden = (
            ti.Vector.ndarray(4, ti.f32, transfer.SEED * runs),
            ti.Matrix.ndarray(4, 4, ti.f32, transfer.PART * runs),
        )
        self._pushes = np.zeros((-(-rows // collide.RUN), 1), np.float32)

    def _make_nodes(self, layers: int) -> None:
        """Allocate the grid anew, all zero."""
        count = layers * self.layout.node_count
        self._made_layers = layers
        self._grid = ti.Vector.ndarray(4, ti.f32, count)
        self._motion = ti.Vector.ndarray(4, ti.f32, count)
        self._flow = ti.ndarray(ti.i32, count)
        self._owner = ti.ndarray(ti.i32, count if layers > 1 else 1)
        self._held: Any = None

    def _set_border(self, first: Domain) -> None:
        """Note where the domain and the ground end, in cells from node PAD; `first` as it began."""
        origin, h = np.asarray(self._first.origin), first.spacing
        self._low = (np.asarray(first.origin) - origin) / h
        self._high = self._low + self.sides.sum(axis=0) + first.shape
        # Made once: a kernel's vector takes longer to make than many kernels to run.
        self._box = (ti.math.vec3(*self._low), ti.math.vec3(*self._high))
        self._floor = -1.0
        if self._ground is not None:
            self._floor = (self._ground.height - origin[2]) / h + float(self.sides[0, 2])

    @property
    def _closed(self) -> NDArray[np.bool_]:
        """Which sides (2, 3), low and high, nothing gets through."""
        closed = np.full((2, 3), self._walls != grid.OPEN_WALL)
        closed[0, 2] |= self._floor > self._low[2] - gather.ON_GROUND
        return closed

    def wanted(self, growth: Growth) -> Sides:
        """Return how far the sides of the domain are to be out, as matter comes near to them."""
        p, box = self.particles, np.empty((1, 6), np.int32)
        box[:, :3], box[:, 3:] = np.iinfo(np.int32).max, np.iinfo(np.int32).min
        one = np.zeros(len(self.layers.first), np.int32)
        layers.bound_fields(one, p.body, p.law, p.cell, box)
        # A particle is within half a cell of the middle of its stencil.
        low, high = box.reshape(2, 3).astype(float) + (1 - PAD)
        room = np.stack([low - 0.5 - self._low, self._high - high - 0.5])
        room[self._closed] = np.inf
        return moved_out(self._first, self.sides, room, growth)

    def lay(self, first: Domain, sides: Sides) -> None:
        """Lay the grid anew with its sides out so far; `first` is the domain as it began.

        The lattice stays, and all that is on it. The grid must hold no motion.
        """
        shift = sides[0] - self.sides[0]
        self.sides, self.layout = sides.copy(), self._first.larger(sides)
        self._set_border(first)
        for points in (self.particles, self.tracers):
            points.cell.from_numpy((points.cell.to_numpy() + shift).astype(np.int32))
        self.layers.lay(self.layout)
        for field in self.colliders:
            if isinstance(field, DeformingField):
                field.lay(self.layout)
        self._sorter, self._plan = Sorter(self.layout, serial=self.on_cpu), Plan.none()
        self._make_nodes(self._made_layers)

    @property
    def _strides(self) -> tuple[int, int]:
        _, ny, nz = self.layout.nodes
        return ny * nz, nz

    @property
    def strides(self) -> tuple[int, int]:
        """Nodes from one to the next along x and along y."""
        return self._strides

    @property
    def lattice(self) -> tuple[NDArray[np.int32], Any, Any]:
        """Active spans, where flowing matter is, and the nodes, for what acts on the grid."""
        return self._plan.span, self._flow, self._grid

    @property
    def _size(self) -> ti.math.ivec3:
        return ti.math.ivec3(*self.layout.cells)

    # ---- order

    def sort(self) -> None:
        """Sort particles by layer and cell, and plan the scatter and the active blocks.

        The grid must hold no motion.
        """
        p = self.particles
        self.layers.assign(p)
        first, count = self.layers.first, self.layers.count
        if count > self._made_layers:
            self._make_nodes(count)
        rows, block_start = self._sorter.order(p.cell, p.law, p.body, first, count)
        state.take_particles(rows, *p.arrays, *self._spare_particles.arrays)
        self.particles, self._spare_particles = self._spare_particles, p
        height = self.particles.cell.to_numpy()[:, 2]
        beside = count > 1 or len(self.colliders) > 0
        self._plan = Plan.of(self.layout, block_start, height, count, beside=beside)
        p = self.particles
        if self._flows:
            grid.mark_flow(*self._strides, self.table, p.law, p.cell, p.body, first, self._flow)
        if len(self._plan.shared):
            layers.mark_owners(*self._strides, p.law, p.cell, p.body, first, self._owner)

    def sort_tracers(self) -> None:
        t = self.tracers
        if t.count:
            first, count = self.layers.first, self.layers.count
            rows, _ = self._sorter.order(t.cell, None, t.body, first, count)
            state.take_tracers(rows, *t.arrays, *self._spare_tracers.arrays)
            self.tracers, self._spare_tracers = self._spare_tracers, t

    # ---- grid

    def clear(self, kept: float) -> None:
        """Zero the grid; `kept` [s] of its velocity go to the motion that the tracers will make."""
        kept = kept if self.tracers.count else 0.0
        grid.clear_blocks(*self._strides, kept, self._plan.span, self._grid, self._motion)

    def clear_motion(self) -> None:
        grid.zero_blocks(*self._strides, self._plan.span, self._motion)

    def scatter(self, dt: float) -> None:
        p, h, plan = self.particles, self.layout.spacing, self._plan
        carried = (p.cell, p.offset, p.motion, p.stress, p.mass, p.volume, self._grid)
        if self.on_cpu:
            tasks = (*plan.ends, plan.tasks)
            transfer.scatter_colored(*self._strides, 1, h, dt, *tasks, *carried)
        else:
            where = (p.law, p.body, self.layers.first)
            transfer.scatter_atomic(*self._strides, 1, h, dt, *where, *carried)

    def meet(self, dt: float) -> None:
        """Let bodies in several layers act on each other while the grid holds momentum."""
        if len(self._plan.shared):
            nodes, speed = self.layout.node_count, self.layout.spacing / max(dt, 1e-12)
            size = (nodes, self.layers.count, speed, self._plan.shared)
            rules = (self._meeting.friction, *self._bonds)
            meet.meet_blocks(*self._strides, *size, *rules, self._owner, self._grid)

    def update_grid(self, dt: float, force: NDArray[np.float64]) -> None:
        """Turn momentum into velocity; `force` acts for dt; then ground and walls."""
        ground = ti.math.vec4(0.0)
        if self._ground:
            boundary = BOUNDARIES[self._ground.boundary]
            ground = ti.math.vec4(1.0, self._floor + PAD, boundary, self._ground.friction)
        push = ti.math.vec4(*force)
        place = (ground, self._plan.span, self._flow, self._grid)
        grid.update_blocks(*self._strides, dt, push, self._walls, *self._box, *place)

    def apply_fields(
        self, dt: float, kinds: int, table: Floats, permutation: NDArray[np.int32]
    ) -> None:
        """Let force fields act for dt on the grid while it holds momentum."""
        corner = ti.math.vec3(*self.layout.origin)
        fields = (corner, kinds, table, permutation, self._plan.span, self._grid)
        pushes.apply_fields(*self._strides, self.layout.spacing, dt, *fields)

    # ---- colliders

    def begin(self, push: Push, seconds: float) -> None:
        """Tell the colliders that deform how they will in an interval."""
        poses = zip(push.collider_from, push.collider_to, strict=True)
        for number, (field, ends) in enumerate(zip(self.colliders, poses, strict=True)):
            if isinstance(field, DeformingField):
                if number not in push.shapes:
                    raise ValueError(f"Expected vertices of collider {number}, got none.")
                field.begin(push.shapes[number], ends, seconds)

    def place(self, push: Push, seconds: float, fraction: float) -> list[Floats]:
        """Return the tables of the colliders, placed at a fraction of an interval."""
        corner = np.asarray(self.layout.origin)
        poses = zip(push.collider_from, push.collider_to, strict=True)
        motions = [motion_between(start, end, seconds, fraction) for start, end in poses]
        fields = zip(self.colliders, motions, strict=True)
        return [field.table(motion, corner, fraction) for field, motion in fields]

    def collide(self, tables: Sequence[Floats], dt: float) -> None:
        h, flows = self.layout.spacing, self._flows
        for field, table in zip(self.colliders, tables, strict=True):
            place = (table, field.distance, field.drift, self._plan.span, self._flow, self._grid)
            collide.collide_blocks(*self._strides, h, dt, field.shell(h), flows, *place)

    # ---- particles and tracers

    def gather(self, dt: float) -> tuple[float, float, int]:
        """Advance the particles; return top speed [m/s], top wave speed [m/s], how many left.

        Raises Diverged.
        """
        p = self.particles
        self._report[:] = 0
        self._report[:, gather.FAILED] = -1
        run = gather.gather_runs if self.on_cpu else gather.gather_all
        is_open = int(self._walls == grid.OPEN_WALL)
        run(
            *self._strides, 1, self.layout.spacing, dt, is_open, self._floor, *self._box,
            self._kinds, self.table, p.body, self.layers.first, p.law, p.cell, p.offset, p.motion,
            p.deformation, p.stress, p.history, self._grid, self._seed, self._report,
        )  # fmt: skip
        failure = gather.first_failure(self._report)
        if failure is not None:
            row, reason = failure
            raise Diverged(int(p.index.to_numpy()[row]), int(p.body.to_numpy()[row]), reason)
        return gather.summary(self._report)

    def hold_nodes(
        self, motion: Sequence[Any], which: Sequence[Any], kept: Sequence[Any], one: float
    ) -> None:
        """Give nodes the motion of the held particles there, whose places are `kept`.

        `one` is the heaviest particle's mass [kg].
        """
        p, rows = self.particles, which[0]
        if self._held is None:
            self._held = ti.ndarray(ti.i32, self._made_layers * self.layout.node_count)
            self._held.fill(0)
        where = (*which, p.law, p.cell, p.offset)
        layer = (p.body, self.layers.first, self._held)
        holds.count_held(*self._strides, one, *where, p.mass, *layer, *kept)
        spacing = self.layout.spacing
        holds.hold_nodes(*self._strides, spacing, one, *motion, *where, *layer, self._grid)
        holds.forget_held(*self._strides, rows, p.cell, *layer)

    def hold_place(self, step: Sequence[Any], motion: Sequence[Any], which: Sequence[Any]) -> None:
        """Move held particles from where they were kept, whatever the gather did to them."""
        p, h = self.particles, self.layout.spacing
        box = (-1e9, *self._box)
        moved = (*which, p.law, p.cell, p.offset, p.motion)
        holds.hold_place(h, *step, *motion, *box, *moved)

    def push_out(self, tables: Sequence[Floats]) -> float:
        """Move particles out of colliders; return the longest way [cells]."""
        p, longest = self.particles, 0.0
        for field, table in zip(self.colliders, tables, strict=True):
            collide.push_out(
                self.layout.spacing, table, field.distance, field.drift, p.law, p.cell, p.offset,
                p.motion, self._pushes,
            )  # fmt: skip
            longest += float(self._pushes.max())
        return longest

    def ride(self, steps: Sequence[float]) -> None:
        """Let the tracers make the grid's motion over substeps of these lengths [s]."""
        t = self.tracers
        if not t.count:
            return
        one = sum(steps)
        squares, cubes = sum(s**2 for s in steps), sum(s**3 for s in steps)
        # Elementary symmetric polynomials: the coefficients of the product of all (1 + dt L).
        two, three = (one**2 - squares) / 2, (one**3 - 3 * one * squares + 2 * cubes) / 6
        terms = (one, two, three, self._size)
        h = self.layout.spacing
        grid.average_blocks(*self._strides, self._plan.span, self._motion)
        ridden = (self.layers.first, self._motion, t.body, t.cell, t.offset, t.deformation)
        ride = tracers.ride_runs if self.on_cpu else tracers.ride_all
        ride(*self._strides, 1, h, *terms, *ridden, *self._ridden)
        self.clear_motion()

    def keep_tracers_out(self, tables: Sequence[Floats]) -> None:
        """Move tracers out of colliders, as their particles are: else water shows through walls."""
        t = self.tracers
        if t.count:
            h, at = self.layout.spacing, (t.cell, t.offset)
            for field, table in zip(self.colliders, tables, strict=True):
                collide.keep_out(h, table, field.distance, field.drift, *at)

    def leash(self, parents: NDArray[np.int32]) -> None:
        """Bring lost tracers back to their `parents` (m,), particles as they were given.

        Those beyond an open side, and lost ones whose parent is, are gone. The grid must hold the
        particles' mass.
        """
        t, p = self.tracers, self.particles
        row = np.empty(p.count, np.int32)
        row[p.index.to_numpy()] = np.arange(p.count, dtype=np.int32)
        parent = row[parents[t.index.to_numpy()]]
        tracers.leash(
            *self._strides, self.layout.spacing, LOST, LEASH, parent, self.layers.first, self._grid,
            p.cell, p.offset, p.mass, p.volume, p.law, t.body, t.cell, t.offset, t.gone,
        )  # fmt: skip
        shut, far = self._closed, 1e9
        if not shut.all():
            low, high = np.where(shut[0], -far, self._low), np.where(shut[1], far, self._high)
            box = ti.math.vec3(*low), ti.math.vec3(*high)
            tracers.mark_gone(*box, t.cell, t.offset, t.gone)

    def normals(self) -> Floats:
        """Unit normals down the gradient of mass at the tracers, in their present order."""
        t = self.tracers
        normal = np.zeros((max(t.count, 1), 3), np.float32)
        if t.count:
            self.clear(0.0)
            self.scatter(0.0)
            first = self.layers.first
            tracers.mass_normals(
                *self._strides, first, self._grid, t.body, t.cell, t.offset, normal
            )
            self.clear(0.0)
        return normal
