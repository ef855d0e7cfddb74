"""Makes the first take: builds the scene, has the backend make it, puts it on the timeline.

    BLENDER_PYTHON -P presets/shots/first_take.py --out DIR --backend-python PYTHON [--diffused]

Runs in a Python with bpy and works as the panel's buttons do: through the extension. With
`--diffused` a second take follows, small, of the same physics: MotionCraft over its render.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import bpy

ROOT = Path(__file__).resolve().parents[2]
sys.path += [str(ROOT), str(Path(__file__).parent)]  # the extension, and the scene beside this file

import first_take_scene  # noqa: E402

import blender_addon  # noqa: E402
from blender_addon import headless, takes  # noqa: E402
from impetus.backend.contract.errors import ImpetusError  # noqa: E402
from impetus.backend.contract.launch import connect_or_start  # noqa: E402

DONE, NOT_DIFFUSED = 0, 3


def main() -> int:
    """Build, save, make, save again, and say where everything is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of the .blend and the take")
    parser.add_argument("--backend-python", type=Path, required=True, help="Python of the backend")
    parser.add_argument("--draft", action="store_true", help="four small, coarse frames only")
    parser.add_argument("--diffused", action="store_true", help="make a MotionCraft take as well")
    arguments = parser.parse_args()
    out, python = arguments.out.resolve(), arguments.backend_python.absolute()
    out.mkdir(parents=True, exist_ok=True)
    home = out / "backend"
    started = time.monotonic()

    def say(line: str) -> None:
        sys.stdout.write(f"{time.monotonic() - started:6.1f} s  {line}\n")
        sys.stdout.flush()

    blender_addon.register()
    scene = first_take_scene.build()
    if arguments.draft:
        first_take_scene.make_draft(scene)
    blend = out / "first_take.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(blend))
    say(f"scene saved as {blend}")

    def make() -> None:
        take = headless.make_take(scene, python=python, home=home, say=say)
        bpy.ops.wm.save_mainfile()
        say(f"take {take.name}: {takes.folder_of(take)}")

    make()
    status = _diffuse(scene, make, say) if arguments.diffused else DONE
    # A demo leaves nothing running; an artist's backend stays, and ends by itself when idle
    with connect_or_start(home, python) as client:
        client.shutdown()
    blender_addon.unregister()
    return status


def _diffuse(scene: bpy.types.Scene, make: Callable[[], None], say: Callable[[str], None]) -> int:
    """Make another take of the scene, diffused; the plain one is there whatever becomes of it."""
    render = scene.render
    size = render.resolution_x, render.resolution_y
    first_take_scene.diffuse(scene)
    try:
        make()
    except ImpetusError as error:
        say(f"no diffused take: {error}")
        return NOT_DIFFUSED
    finally:
        render.resolution_x, render.resolution_y = size
    bpy.ops.wm.save_mainfile()
    return DONE


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    if bpy.app.version < (4, 5):
        os._exit(status)  # Blender 4.2 as a module crashes when Python frees its classes
    sys.exit(status)
