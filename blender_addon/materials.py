"""Named materials, read from impetus.presets: data, not code."""

import importlib.util
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from .physics import ImpetusPhysics


@cache
def presets() -> dict[str, dict[str, Any]]:
    """Return the shipped materials by the name that people see, in alphabetical order."""
    found = {}
    spec = importlib.util.find_spec("impetus.presets")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        for path in Path(place, "materials").glob("*.toml"):
            values = tomllib.loads(path.read_text("utf-8"))
            found[values.pop("name")] = values
    return dict(sorted(found.items()))


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
