"""Motion of clips: the camera and the things move by about a given number of pixels a frame."""

from math import cos, pi, sin

import bpy
import numpy as np
from mathutils import Matrix, Quaternion, Vector

from .world.stage import Stage, Thing, View

CAMERA_MOVES = ("pan", "pan", "truck", "truck", "orbit", "orbit", "dolly", "roll")


def animate(
    stage: Stage,
    camera: bpy.types.Object,
    view: View,
    frames: int,
    speed: float,
    *,
    rigid: bool = False,
) -> None:
    """Keyframe frames 0 to frames + 1, since motion vectors look one frame back and ahead.

    `speed` [px/frame] is what the moves are dosed for, at the distance of what is looked at;
    `rigid` leaves out what deforms.
    """
    rng = stage.rng
    metre = camera.data.lens / 36.0 * max(stage.size) / view.distance  # px of a metre over there
    move = rng.choice(CAMERA_MOVES)
    for thing in stage.things:
        if rigid and thing.moves == "deform":
            thing.moves = "slide"
    moving = [thing for thing in stage.things if thing.moves != "still"]
    if moving and rng.random() < 0.1:
        move = "still"
    _move_camera(stage, camera, view, move, frames, speed)
    for thing in moving:
        if move == "still" or rng.random() < 0.75 or thing.moves == "drive":
            _move_thing(stage, thing, frames, speed * rng.uniform(0.4, 1.3), metre)


def _keyframe(thing: bpy.types.Object, frame: int) -> None:
    for path in ("location", "rotation_quaternion", "scale"):
        thing.keyframe_insert(path, frame=frame)


def _move_camera(
    stage: Stage, camera: bpy.types.Object, view: View, move: str, frames: int, speed: float
) -> None:
    rng = stage.rng
    focal = camera.data.lens / 36.0 * max(stage.size)
    start = camera.matrix_basis.copy()
    aim, slope = rng.uniform(0, 2 * pi), rng.uniform(-0.4, 0.4)
    camera.rotation_mode = "QUATERNION"
    for frame in range(frames + 2):
        step = frame * speed * (1 + 0.15 * (frame - 1) * slope)
        across = Vector((cos(aim), sin(aim), 0.0))
        match move:
            case "pan":
                axis = Vector((-across.y, across.x, 0))
                placed = start @ Matrix.Rotation(step / focal, 4, axis)
            case "truck":
                placed = start @ Matrix.Translation(across * step * view.distance / focal)
            case "orbit":
                about = Matrix.Translation(view.target)
                turn = Matrix.Rotation((1 if aim < pi else -1) * 1.6 * step / focal, 4, "Z")
                placed = about @ turn @ about.inverted() @ start
            case "dolly":
                near = (1 if aim < pi else -1) * min(
                    3.2 * step / min(stage.size), 0.5 * frame / frames
                )
                placed = start @ Matrix.Translation((0, 0, -near * view.distance))
            case "roll":
                turned = (1 if aim < pi else -1) * 3.2 * step / min(stage.size)
                placed = start @ Matrix.Rotation(min(turned, 0.5 * frame), 4, "Z")
            case _:
                placed = start
        camera.location, camera.rotation_quaternion, camera.scale = placed.decompose()
        _keyframe(camera, frame)


def _move_thing(stage: Stage, thing: Thing, frames: int, speed: float, metre: float) -> None:
    rng, body = stage.rng, thing.object
    place, turn, size = body.matrix_basis.decompose()
    step = speed / metre
    aim = rng.uniform(0, 2 * pi)
    way = Vector((cos(aim), sin(aim), 0))
    axis = Vector((0, 0, 1))
    spin = rng.choice((-1, 1)) * min(step / max(thing.radius, 0.2), 0.5)
    match thing.moves:
        case "fly":
            way = Vector((way.x, way.y, rng.uniform(0, 1.2)))
            axis = Vector((rng.gauss(0, 1), rng.gauss(0, 1), rng.gauss(0, 1))).normalized()
            spin *= rng.uniform(0, 1)
        case "spin":
            way = Vector()
        case "drift":
            way = Vector((0.3 * way.x, 0.3 * way.y, rng.uniform(0.6, 1.0)))
            spin *= 0.3
        case "drive":
            way, spin = turn @ Vector((rng.choice((-1, 1)) * 1.0, 0, 0)), 0.0
        case "deform":
            way, spin = way * rng.uniform(0, 0.4), 0.4 * spin
            _wobble(stage, thing, frames, step)
        case _:
            spin *= rng.choice((0.0, 0.5))
    body.rotation_mode = "QUATERNION"
    for frame in range(frames + 2):
        body.location = place + way * step * frame
        body.rotation_quaternion = Quaternion(axis, spin * frame) @ turn
        body.scale = size
        _keyframe(body, frame)


def _wobble(stage: Stage, thing: Thing, frames: int, step: float) -> None:
    """Sway and bulge the body by a shape key, about `step` metres a frame at its top."""
    rng, mesh = stage.rng, thing.object.data
    thing.object.shape_key_add(name="Rest")
    key = thing.object.shape_key_add(name="Wobble")
    points = np.empty((len(mesh.vertices), 3), np.float32)
    mesh.vertices.foreach_get("co", points.ravel())
    aim, phase = rng.uniform(0, 2 * pi), rng.uniform(0, 6)
    up = points[:, 2:] / max(float(points[:, 2].max()), 0.1)
    sway = np.array([cos(aim), sin(aim), 0.0], np.float32) * up**1.5
    bulge = points * np.sin(4 * up + phase) * np.array([0.8, 0.8, 0.3], np.float32)
    amount = min(step / float(thing.object.scale.x), 0.22)
    key.data.foreach_set("co", (points + amount * (sway + bulge)).ravel())
    key.slider_min, key.slider_max = -8.0, 8.0
    for frame in range(frames + 2):
        key.value = frame + 0.4 * sin(frame + phase)
        key.keyframe_insert("value", frame=frame)
