"""Named settings of the methods, read from impetus.presets: data, not code."""

import importlib.util
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import bpy

from .properties import ImpetusDiffusion


@cache
def presets() -> dict[str, dict[str, dict[str, Any]]]:
    """Return the shipped settings by method, then by name in alphabetical order."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    spec = importlib.util.find_spec("impetus.presets")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        for path in sorted(Path(place, "methods").glob("*.toml")):
            values = tomllib.loads(path.read_text("utf-8"))
            found.setdefault(values.pop("type").upper(), {})[values.pop("name")] = values
    return {method: dict(sorted(named.items())) for method, named in found.items()}


def apply(diffusion: ImpetusDiffusion, name: str) -> None:
    """Give the chosen method named settings; prompt, model, start and motion stay.

    What the others of its method name and this one does not has its default again.
    Raises KeyError for a name that is not there, ValueError for a value that the method has not.
    """
    settings = diffusion.settings
    values = presets()[diffusion.method][name]
    for key in {key for each in presets()[diffusion.method].values() for key in each}:
        if key in settings.bl_rna.properties and key not in values:
            settings.property_unset(key)
    if "hard_warp_start" in settings.bl_rna.properties:
        settings.use_hard_warp = "hard_warp_start" in values
    _fill(settings, values, name)


def _fill(group: bpy.types.PropertyGroup, values: dict[str, Any], name: str) -> None:
    for key, value in values.items():
        if key not in group.bl_rna.properties:
            raise ValueError(f"Preset {name}: {key!r} is not known.")
        match value:
            case dict():
                _fill(getattr(group, key), value, name)
            case list():
                setattr(group, key, " ".join(f"{number:g}" for number in value))
            case str() if group.bl_rna.properties[key].type == "ENUM":
                setattr(group, key, value.upper())
            case _:
                setattr(group, key, value)
