"""A scene from a seed: its kind, size, things, camera, caption and, for a clip, its motion."""

import random
from collections.abc import Callable
from dataclasses import dataclass

import bpy
import numpy as np

from . import motion
from .captions import caption
from .kinds import aerial, land, matter, space, tabletop, water
from .world.stage import Stage, View

KINDS: dict[str, tuple[Callable[[Stage], View], float]] = {
    # how it is built, and its share
    "objects": (tabletop.objects, 34),
    "take": (matter.take, 12),
    "jelly": (matter.jelly, 10),
    "water": (water.water, 9),
    "landscape": (land.landscape, 7),
    "room": (tabletop.room, 6),
    "sand": (matter.sand, 5),
    "city": (aerial.city, 5),
    "planet": (space.planet, 4),
    "smoke": (matter.smoke, 4),
    "dunes": (land.dunes, 2),
    "pattern": (tabletop.pattern, 3),
}
PICTURE_SIZES = (((192, 192), 50), ((256, 144), 40), ((144, 256), 10))
CLIP_SIZES = (((256, 256), 50), ((256, 144), 50))


@dataclass
class Scene:
    """A built scene, in the open file."""

    stage: Stage
    camera: bpy.types.Object
    caption: str
    frames: int


def build(
    seed: int,
    *,
    clip: bool,
    kind: str | None = None,
    enlarge: float = 1.0,
    compact: bool = False,
) -> Scene:
    """Replace the open file by the scene of a seed; `enlarge` multiplies the picture's size.

    `kind`, of KINDS, is chosen by the seed if none is given. A compact scene is one for splats: of
    rigid things that are seen whole, on ground that ends.
    """
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    rng = random.Random(seed)
    sizes = CLIP_SIZES if clip else PICTURE_SIZES
    width, height = rng.choices([size for size, _ in sizes], [share for _, share in sizes])[0]
    stage = Stage(rng, (round(width * enlarge), round(height * enlarge)))
    stage.reach = 2.6 if compact else stage.reach
    # Through smoke two things are seen in one pixel, so its motion is none that a clip could give.
    kinds = [name for name in KINDS if not ((clip or compact) and name == "smoke")]
    stage.kind = rng.choices(kinds, [KINDS[name][1] for name in kinds])[0]
    stage.kind = kind or stage.kind
    view = KINDS[stage.kind][0](stage)
    scene = bpy.context.scene
    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    scene.collection.objects.link(camera)
    scene.camera = camera
    view.place(camera)
    said = caption(stage)
    frames = rng.choice((2, 2, 3, 3, 4)) if clip else 1
    if clip:
        # Log-normal: most clips move by some pixels a frame, few hardly, few by 32 and more.
        speed = float(np.clip(rng.lognormvariate(np.log(5.5), 0.85), 0.4, 60)) * enlarge
        motion.animate(stage, camera, view, frames, speed, rigid=compact)
    for number, thing in enumerate(stage.things):
        thing.object.pass_index = min(number + 1, 255)
    scene.frame_start, scene.frame_end = 1, frames
    return Scene(stage, camera, said, frames)
