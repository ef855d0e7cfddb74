"""What a scene is built on: its things, ground, sky, light and camera, and the words for each."""

import random
from dataclasses import dataclass, field
from math import cos, radians, sin

import bpy
import numpy as np
from mathutils import Vector

from .palette import Color, Floats, blend, noise, paint


@dataclass
class Thing:
    """An object of the scene, how it is called in the caption, and how it may move in a clip."""

    object: bpy.types.Object
    words: str = ""
    moves: str = "still"
    "still, slide (over the ground), fly, spin (about z in place), deform or drift."
    radius: float = 0.5


@dataclass
class Stage:
    """A scene in the making; `subject` and the words become the caption."""

    rng: random.Random
    size: tuple[int, int]
    reach: float = 30.0
    "Half the width of grounds that go on to the horizon [m]."
    kind: str = ""
    things: list[Thing] = field(default_factory=list)
    subject: str = ""
    place: str = ""
    sky: str = ""
    light: str = ""
    view: str = ""
    translucent: bool = False
    "Whether rays go through by chance, so that it takes more of them."
    exposed: bool = True
    "Whether the picture's brightness is evened out, as a camera does; not so in space."

    def add(
        self, mesh: bpy.types.Mesh, material: bpy.types.Material | None, **words: object
    ) -> Thing:
        """Put a mesh into the scene as a thing."""
        thing = bpy.data.objects.new(mesh.name, mesh)
        if material is not None:
            mesh.materials.append(material)
        bpy.context.scene.collection.objects.link(thing)
        self.things.append(Thing(thing, **words))  # type: ignore[arg-type]
        return self.things[-1]


SKIES: dict[str, tuple[Color, Color, float]] = {
    # horizon, zenith (sRGB), strength
    "a clear blue sky": ((0.80, 0.88, 0.95), (0.30, 0.52, 0.85), 0.85),
    "a cloudy sky": ((0.82, 0.88, 0.94), (0.40, 0.60, 0.88), 0.9),
    "a gray overcast sky": ((0.80, 0.82, 0.84), (0.66, 0.69, 0.73), 1.0),
    "a sunset sky": ((0.98, 0.66, 0.36), (0.38, 0.36, 0.58), 0.75),
    "a pink evening sky": ((0.96, 0.74, 0.74), (0.52, 0.50, 0.76), 0.8),
    "a pale sky": ((0.93, 0.93, 0.90), (0.74, 0.81, 0.88), 0.95),
    "a dark blue night sky": ((0.16, 0.20, 0.36), (0.05, 0.07, 0.18), 1.0),
}
STUDIO = ("a white studio background", "a gray studio background", "a dark studio background",
          "a light blue studio background", "a beige studio background")  # fmt: skip
_STUDIO_TONES = ((0.93, 0.93, 0.92), (0.62, 0.63, 0.65), (0.16, 0.16, 0.18), (0.66, 0.82, 0.92),
                 (0.86, 0.78, 0.66))  # fmt: skip


def set_sky(stage: Stage, name: str) -> None:
    """Light the scene by a sky of SKIES or a background of STUDIO."""
    if name in SKIES:
        horizon, zenith, strength = SKIES[name]
        picture = _sky_picture(stage.rng, name, paint(horizon), paint(zenith))
        stage.sky = f"under {name}"
    else:
        tone = paint(_STUDIO_TONES[STUDIO.index(name)])
        up = np.linspace(-1, 1, 64)[:, None]
        picture = blend(np.repeat(paint(0.5 + 0.5 * up), 128, 1), tone, 0.86 * tone)
        strength, stage.sky = 0.9, f"against {name}"
    set_world(picture, strength)


def set_world(picture: Floats, strength: float) -> None:
    """Surround the scene by an sRGB picture (h, w, 3), bottom row first, all the way round."""
    height, width = picture.shape[:2]
    image = bpy.data.images.new("Sky", width, height)
    pixels = np.ones((height, width, 4), np.float32)
    pixels[..., :3] = np.clip(picture, 0, 1)
    image.pixels.foreach_set(pixels.ravel())
    image.pack()
    world = bpy.data.worlds.new("Sky")
    bpy.context.scene.world = world
    if not world.node_tree:
        world.use_nodes = True
    nodes, links = world.node_tree.nodes, world.node_tree.links
    texture = nodes.new("ShaderNodeTexEnvironment")
    texture.image = image
    background = nodes["Background"]
    background.inputs["Strength"].default_value = strength
    links.new(texture.outputs["Color"], background.inputs["Color"])
    world.cycles.sampling_method = "NONE"  # the skies are smooth, and the sun is a lamp


def _sky_picture(rng: random.Random, name: str, horizon: Floats, zenith: Floats) -> Floats:
    height, width = (512, 1024) if "night" in name else (128, 256)
    up = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    rise = np.repeat(np.clip(up, 0, 1) ** 0.5, width, 1)
    picture = blend(rise, horizon, zenith)
    picture *= np.where(up < 0, 0.8, 1.0)[..., None]
    if name == "a cloudy sky" or (name.startswith(("a sunset", "a pink")) and rng.random() < 0.6):
        # Drawn on a plane above, so that clouds flatten towards the horizon.
        field_ = noise(rng, height, width, power=1.6, cells=3)
        cloud = np.clip((field_ - 0.1) * 0.9, 0, 1) * np.clip(up * 6, 0, 1)
        picture = blend(0.85 * cloud, picture, 0.25 * horizon + paint(0.72))
    if "night" in name:
        picture = blend(_stars(rng, height, width), picture, paint((0.9, 0.92, 1.0)))
    return picture


def _stars(rng: random.Random, height: int, width: int) -> Floats:
    stars = np.zeros((height, width), np.float32)
    for _ in range(700):
        y, x = rng.randrange(1, height - 1), rng.randrange(1, width - 1)
        bright = rng.uniform(0.3, 1.0)
        stars[y, x] = bright
        for dy, dx in ((0, 1), (1, 0), (0, -1), (-1, 0)):
            stars[y + dy, x + dx] = max(stars[y + dy, x + dx], 0.35 * bright)
    return stars


LIGHTS: dict[str, tuple[float, Color, tuple[float, float], float]] = {
    # sun's energy, colour, elevation from..to in degrees, angle in degrees
    "soft light": (1.6, (1.0, 0.97, 0.92), (40, 70), 40),
    "bright sunlight": (3.4, (1.0, 0.95, 0.86), (35, 65), 2),
    "hard light and sharp shadows": (4.0, (1.0, 0.96, 0.90), (30, 55), 0.5),
    "warm light": (3.0, (1.0, 0.80, 0.56), (25, 45), 8),
    "low evening light and long shadows": (3.2, (1.0, 0.68, 0.42), (12, 22), 3),
    "cool light": (2.2, (0.76, 0.86, 1.0), (35, 60), 15),
    "moonlight": (0.9, (0.58, 0.70, 1.0), (35, 60), 4),
}


def set_light(stage: Stage, name: str) -> None:
    """Add a sun of LIGHTS."""
    energy, color, (low, high), angle = LIGHTS[name]
    data = bpy.data.lights.new(name, "SUN")
    data.energy, data.color, data.angle = energy, color, radians(angle)
    lamp = bpy.data.objects.new(name, data)
    up, turn = radians(stage.rng.uniform(low, high)), stage.rng.uniform(0, 6.283)
    away = Vector((cos(up) * cos(turn), cos(up) * sin(turn), sin(up)))
    lamp.rotation_euler = (-away).to_track_quat("-Z", "Y").to_euler()
    bpy.context.scene.collection.objects.link(lamp)
    stage.light = name


def set_day(stage: Stage) -> None:
    """Choose a sky outdoors and a light that goes with it."""
    sky = stage.rng.choice(list(SKIES))
    choices = {
        "a gray overcast sky": ["soft light"],
        "a sunset sky": ["low evening light and long shadows", "warm light"],
        "a pink evening sky": ["low evening light and long shadows", "soft light"],
        "a dark blue night sky": ["moonlight"],
    }.get(sky, ["bright sunlight", "hard light and sharp shadows", "soft light", "warm light"])
    set_sky(stage, sky)
    set_light(stage, stage.rng.choice(choices))


def set_studio(stage: Stage) -> None:
    """Choose a plain background and a light."""
    set_sky(stage, stage.rng.choice(STUDIO))
    set_light(stage, stage.rng.choice(["soft light", "soft light", "bright sunlight", "warm light",
                                       "cool light"]))  # fmt: skip


@dataclass
class View:
    """Where the camera stands: what it looks at, from where, and how wide."""

    target: Vector
    turn: float
    up: float
    distance: float
    lens: float = 45.0

    def place(self, camera: bpy.types.Object) -> None:
        """Put the camera there."""
        camera.data.lens = self.lens
        away = Vector((cos(self.up) * cos(self.turn), cos(self.up) * sin(self.turn), sin(self.up)))
        camera.location = self.target + self.distance * away
        camera.rotation_euler = (-away).to_track_quat("-Z", "Y").to_euler()


def frame_things(
    stage: Stage, middle: Vector, radius: float, *, ups: tuple[float, float] | None = None
) -> View:
    """Choose a view of a ball around the middle, and say it."""
    rng = stage.rng
    name = rng.choices(("", "a close up of", "from above", "a wide view of", "a low angle view of"),
                       (48, 18, 14, 10, 10))[0]  # fmt: skip
    low, high = ups or {"from above": (48, 72), "a low angle view of": (4, 11)}.get(name, (14, 38))
    if ups and name in ("from above", "a low angle view of"):
        name = ""
    lens = rng.uniform(35, 70)
    wide, high_px = stage.size
    # The smaller side of the picture decides whether the ball fits.
    share = min(high_px / wide, wide / high_px)
    half = 18.0 / lens * (share if len(stage.things) < 3 else 0.6 * share + 0.4)
    fill = {"a close up of": rng.uniform(0.62, 0.85), "a wide view of": rng.uniform(1.45, 1.9)}
    distance = radius / half * fill.get(name, rng.uniform(0.95, 1.35))
    stage.view = name
    return View(middle, rng.uniform(0, 6.283), radians(rng.uniform(low, high)), distance, lens)
