"""The five shots of the MotionCraft suite: pictures to start from, true motion, true frames.

A camera's truck, a turning ball and a drop of jelly come from our own physics and camera, so every
later frame is known and what diffusion invents can be held against it. Smoke and liquid are solved
in the plane of a picture: only their motion is known.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...contract import shot as s
from ...contract.arrays import ArraySet
from ...contract.image_motions import LiquidMotion, SmokeMotion
from ...contract.materials import Elastic
from ...contract.methods import Novelty
from ...contract.part import Color
from ...diffusion.motion import FrameMotion, frame_motion
from ...stages.bodies.prepare import prepare
from ...stages.cache import FrameCache
from ...stages.images.render import render, scene_of
from ...stages.images.rendered import RenderedFrame
from ...stages.simulate import simulate
from ...stages.splats import pose_splats
from ...stages.takes.picture import to_bytes8
from .props import ball, box, look_at, mottled, place, plate, tiles

Picture = NDArray[np.uint8]
WIDTH, HEIGHT, FRAMES = 256, 144, 16


@dataclass(frozen=True)
class TrueShot:
    """A shot's first picture and all that is known of the others.

    `motions[k]` leads from frame k to k + 1 on the pixels of the latter; `forward[k]` (H, W, 2) px
    from frame k on its own pixels, `seen[k]` (H, W) where that holds; `frames` the true pictures,
    or None where only the motion is known.
    """

    name: str
    prompt: str
    start: Picture
    motions: tuple[FrameMotion, ...]
    forward: tuple[NDArray[np.float32], ...]
    seen: tuple[NDArray[np.bool_], ...]
    frames: tuple[Picture, ...] | None


def make_shots(names: Sequence[str] = (), frames: int = FRAMES) -> list[TrueShot]:
    """Make the named shots, all five where none is named. Taichi must have been started."""
    return [make(frames) for name, make in SHOTS.items() if not names or name in names]


def truck(frames: int) -> TrueShot:
    """The camera slides past things on a tiled floor: about one latent cell a frame.

    What comes in is floor and sky: nobody could foretell a thing.
    """
    arrays = ArraySet()
    slide = [look_at((0.12 * k - 0.9, -3.6, 1.3), (0.12 * k - 0.9, 0, 0.45)) for k in range(frames)]
    bodies = [
        _floor(arrays, tiles((0.85, 0.8, 0.65), (0.25, 0.35, 0.6))),
        _thing(arrays, "Ball", ball(0.35), (-0.7, 0.1, 0.35), (0.8, 0.12, 0.1)),
        _thing(arrays, "Cube", box(0.55), (0.25, 0.4, 0.275), (0.9, 0.75, 0.15)),
        _thing(arrays, "Pillar", box(0.3, 0.3, 1.0), (-1.6, 0.4, 0.5), (0.15, 0.5, 0.25)),
    ]
    words = "a red sphere, a yellow cube and a green box on a tiled blue and cream floor"
    return _from_shot("truck", words, _shot(arrays, bodies, slide), arrays)


def planet(frames: int) -> TrueShot:
    """A mottled ball turns by eight degrees a frame before black space.

    Its light comes from the camera: shading does not turn with it, and motion carries it along.
    """
    arrays = ArraySet()
    turns = [place((0, 0, 0), about_z=np.radians(8) * k) for k in range(frames)]
    mesh = ball(1.0, rings=96)
    colors = mottled(mesh[0], (0.08, 0.25, 0.6), (0.2, 0.5, 0.15))
    looks = s.Looks(colors=arrays.add(_corner_colors(colors, mesh[1])))
    planet_body = s.Body(
        "Planet", "kinematic", _mesh(arrays, mesh), arrays.add(np.stack(turns)), looks=looks,
        contact=s.Contact(),
    )  # fmt: skip
    camera = [look_at((0, -4.6, 0.4), (0, 0, 0))] * frames
    shot = _shot(
        arrays, [planet_body], camera, background=(0.0, 0.0, 0.004), sun_from=(0.3, -4.6, 0.9)
    )
    return _from_shot("planet", "a blue and green planet in space", shot, arrays)


def jelly(frames: int) -> TrueShot:
    """A soft cube, whole in the frame, falls on a wooden plate and is squashed."""
    arrays = ArraySet()
    mesh = box(0.6)
    cube = s.Body(
        "Jelly", "dynamic", _mesh(arrays, mesh), arrays.add(place((0, 0, 0.5))[None]),
        looks=_plain((0.75, 0.1, 0.15)), material=Elastic(young_modulus=1.5e4),
        velocity=(0.0, 0.0, -1.5), angular_velocity=(0.5, 0.3, 0.0),
    )  # fmt: skip
    bodies = [_floor(arrays, tiles((0.5, 0.3, 0.15), (0.4, 0.22, 0.1))), cube]
    shot = _shot(arrays, bodies, [look_at((0, -3.0, 1.1), (0, 0, 0.42))] * frames)
    return _from_shot("jelly", "a red jelly cube on a wooden floor", shot, arrays)


def smoke(frames: int) -> TrueShot:
    """A plume rises from a dark box, solved in the plane of the picture."""
    arrays = ArraySet()
    puffs = [(0.0, 0, 0.5, 0.2), (0.08, 0, 0.75, 0.24), (-0.05, 0, 1.0, 0.28), (0.1, 0, 1.3, 0.3)]
    bodies = [
        _floor(arrays, tiles((0.65, 0.6, 0.5), (0.55, 0.5, 0.42))),
        _thing(arrays, "Box", box(0.5, 0.5, 0.35), (0, 0, 0.175), (0.15, 0.12, 0.1)),
        *(
            _thing(arrays, f"Puff {k}", ball(r), (x, y, z), (0.45, 0.45, 0.47), alpha=0.5)
            for k, (x, y, z, r) in enumerate(puffs)
        ),
    ]
    shot = _shot(arrays, bodies, [look_at((0, -3.6, 1.2), (0, 0, 0.75))] * 2)
    first = _render(shot, arrays)[0]
    plume = np.isin(first.index, np.arange(2, 2 + len(puffs)))
    motion = SmokeMotion(source=arrays.add(plume.astype(np.uint8)))
    words = "a plume of gray smoke above a black box"
    return _from_plane("smoke", words, first, motion, arrays, frames)


def liquid(frames: int) -> TrueShot:
    """A blue blob of liquid falls on a floor, solved in the plane of the picture."""
    arrays = ArraySet()
    bodies = [
        _floor(arrays, tiles((0.75, 0.72, 0.68), (0.6, 0.57, 0.55))),
        _thing(arrays, "Drop", ball(0.4), (0.0, 0.0, 1.15), (0.08, 0.2, 0.75)),
        _thing(arrays, "Drip", ball(0.25), (0.35, 0.0, 0.85), (0.08, 0.2, 0.75)),
    ]
    shot = _shot(arrays, bodies, [look_at((0, -3.4, 1.0), (0, 0, 0.7))] * 2)
    first = _render(shot, arrays)[0]
    obstacle = np.zeros(first.index.shape, np.uint8)
    obstacle[int(0.85 * HEIGHT) :] = 1
    motion = LiquidMotion(
        fluid=arrays.add((first.index >= 1).astype(np.uint8)), obstacle=arrays.add(obstacle)
    )
    words = "a splash of blue liquid on a concrete floor"
    return _from_plane("liquid", words, first, motion, arrays, frames)


SHOTS: dict[str, Callable[[int], TrueShot]] = {
    "truck": truck, "planet": planet, "smoke": smoke, "liquid": liquid, "jelly": jelly,
}  # fmt: skip


def _from_shot(name: str, prompt: str, shot: s.Shot, arrays: ArraySet) -> TrueShot:
    rendered = _render(shot, arrays)
    motions = tuple(
        frame_motion(f.backward, Novelty(), validity=f.valid_backward, surfaces=f.index)
        for f in rendered[1:]
    )
    pictures = tuple(to_bytes8(f.beauty, transparent=False) for f in rendered)
    ahead = rendered[:-1]
    return TrueShot(
        name, prompt, pictures[0], motions, tuple(f.forward for f in ahead),
        tuple(f.valid_forward for f in ahead), pictures,
    )  # fmt: skip


def _from_plane(
    name: str,
    prompt: str,
    first: RenderedFrame,
    settings: SmokeMotion | LiquidMotion,
    arrays: ArraySet,
    frames: int,
) -> TrueShot:
    from ...diffusion.image_motion import RULES, SimulatedMotion, motion_of_step

    source = SimulatedMotion(settings, arrays, (WIDTH, HEIGHT), frames, fps=24.0, seed=0)
    steps = [source.step(k) for k in range(1, frames)]
    return TrueShot(
        name, prompt, to_bytes8(first.beauty, transparent=False),
        tuple(motion_of_step(step, RULES, arrays, "exact") for step in steps),
        tuple(step.forward for step in steps), tuple(~step.active for step in steps), None,
    )  # fmt: skip


class _Quiet:
    """Listens to nothing, and lets everything go on."""

    def progress(self, stage: str, done: float, total: float, eta: float | None) -> None: ...
    def frame(self, number: int) -> None: ...
    def log(self, level: str, text: str) -> None: ...
    def check(self) -> None: ...


def _render(shot: s.Shot, arrays: ArraySet) -> list[RenderedFrame]:
    """Simulate and render all frames of a shot."""
    prepared, quiet = prepare(shot, arrays), _Quiet()
    with TemporaryDirectory() as folder:
        cache = FrameCache(Path(folder))
        posed = (
            (state.frame, pose_splats(shot, arrays, prepared, state))
            for state in simulate(shot, arrays, prepared, cache, quiet)
        )

        def never(frame: int) -> NDArray[Any]:
            raise AssertionError(f"frame {frame} is made, not read")

        wanted = set(shot.frames.numbers)
        scene = scene_of(shot, arrays, prepared)
        return list(render(scene, posed, wanted=wanted, known_depth=never, listener=quiet))


def _shot(
    arrays: ArraySet,
    bodies: Sequence[s.Body],
    camera: Sequence[NDArray[np.float64]],
    background: Color = (0.32, 0.38, 0.48),
    sun_from: tuple[float, float, float] = (2.0, -2.5, 4.0),
) -> s.Shot:
    count = len(camera)
    lens = np.tile([1.15 * WIDTH, 1.15 * WIDTH, WIDTH / 2, HEIGHT / 2], (count, 1))
    sun = look_at(sun_from, (0, 0, 0)) @ np.diag([1.0, -1.0, -1.0, 1.0])
    light = s.Light("Sun", "sun", arrays.add(sun[None]), power=2.6, size=0.05)
    share = tuple(0.9 * channel for channel in background)
    return s.Shot(
        name="Suite",
        frames=s.FrameRange(1, count, 24.0, 1),
        film=s.Film(WIDTH, HEIGHT),
        camera=s.CameraTrack(arrays.add(np.stack(camera)), arrays.add(lens)),
        gravity=arrays.add(np.array([[0, 0, -9.81]])),
        bodies=tuple(bodies),
        lights=(light,),
        world=s.World(background, ambient=(share[0], share[1], share[2])),
        simulation=s.SimulationSettings(resolution=40),
        render=s.RenderSettings(splats=60_000),
    )


def _mesh(arrays: ArraySet, mesh: tuple[NDArray[np.float32], NDArray[np.int32]]) -> s.Mesh:
    return s.Mesh(arrays.add(mesh[0]), arrays.add(mesh[1]))


def _plain(color: Color, alpha: float = 1.0) -> s.Looks:
    return s.Looks(surfaces=(s.Surface(base_color=color, alpha=alpha, roughness=0.6),))


def _thing(
    arrays: ArraySet,
    name: str,
    mesh: tuple[NDArray[np.float32], NDArray[np.int32]],
    at: tuple[float, float, float],
    color: Color,
    alpha: float = 1.0,
) -> s.Body:
    return s.Body(
        name, "static", _mesh(arrays, mesh), arrays.add(place(at)[None]),
        looks=_plain(color, alpha), contact=s.Contact(),
    )  # fmt: skip


def _floor(arrays: ArraySet, image: NDArray[np.uint8]) -> s.Body:
    vertices, triangles, uv = plate(12.0, repeats=20)
    looks = s.Looks(
        surfaces=(s.Surface(image=arrays.add(image), roughness=0.8),), uv=arrays.add(uv)
    )
    return s.Body(
        "Floor", "static", _mesh(arrays, (vertices, triangles)), arrays.add(np.eye(4)[None]),
        looks=looks, contact=s.Contact(), splat_density=1.0,
    )  # fmt: skip


def _corner_colors(
    colors: NDArray[np.float32], triangles: NDArray[np.int32]
) -> NDArray[np.float32]:
    corners = np.ones((len(triangles), 3, 4), np.float32)
    corners[..., :3] = colors[triangles]
    return corners
