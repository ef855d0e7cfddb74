"""Named materials, read from impetus.presets: data, not code; and their pictures."""

import importlib.util
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import bpy.utils.previews

from .physics import ImpetusPhysics

_pictures: list[bpy.utils.previews.ImagePreviewCollection] = []
"None or one, as long as the extension is registered."


@cache
def _files() -> dict[str, Path]:
    """Return the shipped materials' files by the name that people see, in alphabetical order."""
    found = {}
    spec = importlib.util.find_spec("impetus.presets")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        for path in Path(place, "materials").glob("*.toml"):
            found[str(tomllib.loads(path.read_text("utf-8"))["name"])] = path
    return dict(sorted(found.items()))


@cache
def presets() -> dict[str, dict[str, Any]]:
    """Return the shipped materials by the name that people see, in alphabetical order."""
    read = {name: tomllib.loads(path.read_text("utf-8")) for name, path in _files().items()}
    return {name: {k: v for k, v in each.items() if k != "name"} for name, each in read.items()}


def picture_file(name: str) -> Path:
    """Return where the picture of a material lies."""
    path = _files()[name]
    return path.parent / "icons" / f"{path.stem}.png"


def picture(name: str) -> int:
    """Return the icon of a material's picture; 0, no icon, where there is none."""
    if not _pictures or name not in _pictures[0]:
        return 0
    return int(_pictures[0][name].icon_id)


def register() -> None:
    shown = bpy.utils.previews.new()
    _pictures.append(shown)
    for name in _files():
        if picture_file(name).is_file():
            made = shown.load(name, str(picture_file(name)), "IMAGE")
            made.image_size[:]  # reads it now: Blender would show a wheel in its place at first


def unregister() -> None:
    while _pictures:
        bpy.utils.previews.remove(_pictures.pop())


def apply(physics: ImpetusPhysics, name: str) -> None:
    """Give an object the values of a named material.

    Raises KeyError for a name that is not there, ValueError for a value that is none of physics'.
    """
    values = dict(presets()[name])
    kind = values.pop("law").upper()
    if unknown := [key for key in values if key not in physics.bl_rna.properties]:
        raise ValueError(f"Preset {name}: {unknown[0]!r} is not known.")
    physics.material = kind
    for key, value in values.items():
        setattr(physics, key, value)
