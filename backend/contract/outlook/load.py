"""What particles, tracers, splats and grid nodes take of memory: sizes of the solver's state."""

PARTICLE_STATE, TRACER_STATE = 156, 68
"Bytes of one in the solver, and in a checkpoint."
PARTICLE_BYTES, TRACER_BYTES = 3 * PARTICLE_STATE + 60, 3 * TRACER_STATE + 100
"State, its sorted twin, a checkpoint, and what goes in and out."
SPLAT_BYTES = 1100
"Looks, rest, three posed frames, and the rasteriser's records of a splat."
NODE_BYTES = 40
MOVING_SHARE = 0.6
"Share of the splats that dynamic bodies get where there are others too: one looks at them."


def memory_bytes(particles: int, tracers: int, splats: int, nodes: int) -> int:
    """Return the bytes of memory that a simulation and its render take, meshes left out."""
    return (
        particles * PARTICLE_BYTES
        + tracers * TRACER_BYTES
        + splats * SPLAT_BYTES
        + nodes * NODE_BYTES
    )
