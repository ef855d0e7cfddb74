"""Whether bodies that change their shape can be made, and by what they are felt; for shot_check."""

from .arrays import ArraySet, require_finite
from .errors import ShotError
from .materials import Rigid
from .shot import Body, FrameRange, Shot, VertexCache

MOST_SHAPE_BYTES = 1 << 30
"Of the moving vertices of one body."


def too_large(where: str, vertices: int, frames: int) -> ShotError:
    """Return what to say of a body whose moving vertices take more than MOST_SHAPE_BYTES."""
    size = 12 * vertices * frames / 2**30
    return ShotError(
        f"{where}, moving vertices",
        f"expected at most {MOST_SHAPE_BYTES >> 30} GiB, got {vertices:,} vertices in {frames} "
        f"frames, which take {size:.2g} GiB.",
        "Lower its subdivision, add a Decimate modifier, or shorten the frame range.",
    )


def check_vertex_cache(
    body: Body, cache: VertexCache, frames: FrameRange, arrays: ArraySet
) -> None:
    """Raise ShotError where a body cannot change its shape as it is told to."""
    where, moved = f"{body.name}, moving vertices", arrays.of(cache.vertices)
    if body.role != "kinematic" or body.capture is not None:
        what = "a capture" if body.capture is not None else f"a {body.role} body"
        raise ShotError(
            where,
            f"expected them of a kinematic body with a mesh, got {what}.",
            "Make it kinematic, or remove what changes its shape.",
        )
    count = cache.mesh.vertices.shape[0]
    if moved.shape != (frames.tracked_count, count, 3) or cache.vertices.dtype != "f4":
        raise ShotError(
            where,
            f"expected f4 {(frames.tracked_count, count, 3)}, a row for each frame, got "
            f"{cache.vertices.dtype} {moved.shape}.",
        )
    if moved.nbytes > MOST_SHAPE_BYTES:
        raise too_large(body.name, count, frames.tracked_count)
    require_finite(where, moved, "Look for the frame in which its mesh breaks apart.")


def check_shapes(shot: Shot) -> None:
    """Raise ShotError where something would have to feel a collider that changes its shape."""
    for flock in shot.flocks:
        if flock.body.vertex_cache is not None:
            raise ShotError(
                flock.name,
                "expected a flock of one that keeps its shape, got one that changes it.",
                "Remove what changes its shape.",
            )
    changing = [b.name for b in shot.bodies if b.vertex_cache is not None and b.contact is not None]
    if not changing:
        return
    rigid = [b.name for b in shot.bodies if isinstance(b.material, Rigid)]
    blind = [*rigid, *(e.name for e in shot.emitters), *(f.name for f in shot.flocks)]
    if blind:
        kind = "rigid bodies" if rigid else "smoke and flocks"
        raise ShotError(
            changing[0],
            f"expected a collider that keeps its shape beside {kind}, which do not feel how one "
            f"changes it, got one beside {blind[0]}.",
            "Set its role to Only Seen, or remove what changes its shape.",
        )
