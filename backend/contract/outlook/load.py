"""What particles, tracers, splats and grid nodes take of memory: sizes of the solver's state."""

import math
from collections.abc import Sequence

from ..materials import Flowing, Material, Solid

PARTICLE_STATE, TRACER_STATE = 156, 72
"Bytes of one in the solver, and in a checkpoint."
PARTICLE_BYTES, TRACER_BYTES = 3 * PARTICLE_STATE + 60, 3 * TRACER_STATE + 100
"State, its sorted twin, a checkpoint, and what goes in and out."
SPLAT_BYTES = 1100
"Looks, rest, three posed frames, and the rasteriser's records of a splat."
NODE_BYTES, SHARED_BYTES = 40, 8
"Of a grid node in one layer, and more where bodies that meet have layers of their own."
LAYERS = 4
"Layers that bodies in a heap have, about: as many as touch in one place."
PAD, BLOCK = 4, 4
"Nodes around the domain, and what the grid is a multiple of along x and y: as in kernels/mpm."
MOVING_SHARE = 0.6
"Share of the splats that dynamic bodies get where there are others too: one looks at them."


def grid_bytes(cells: Sequence[float], materials: Sequence[Material]) -> int:
    """Return the bytes of the grid over so many cells along x, y and z; none without cells.

    `materials` are those of the dynamic bodies. Each that deforms may meet the others in a layer of
    its own; what flows shares one.
    """
    if not all(cells):
        return 0
    x, y, z = (math.ceil(count) + 1 + 2 * PAD for count in cells)
    nodes = -(-x // BLOCK) * BLOCK * (-(-y // BLOCK) * BLOCK) * z
    return nodes * node_bytes(materials)


def node_bytes(materials: Sequence[Material]) -> int:
    """Return the bytes of a node in all layers of a grid for bodies of these materials."""
    solid = sum(isinstance(each, Solid) for each in materials)
    layers = min(solid + any(isinstance(each, Flowing) for each in materials), LAYERS)
    return layers * (NODE_BYTES + (SHARED_BYTES if layers > 1 else 0))


def memory_bytes(particles: int, tracers: int, splats: int, grid: int) -> int:
    """Return the bytes of memory that a simulation and its render take, meshes left out.

    `grid` is what `grid_bytes` says.
    """
    return particles * PARTICLE_BYTES + tracers * TRACER_BYTES + splats * SPLAT_BYTES + grid
