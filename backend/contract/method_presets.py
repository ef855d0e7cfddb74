"""Named settings of the methods, read from impetus.presets: data, not code."""

import tomllib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import msgspec

from .errors import ShotError
from .methods import MotionCraft, MotionGuidance

Kind = type[MotionCraft] | type[MotionGuidance]
KINDS: dict[str, Kind] = {"motioncraft": MotionCraft, "motion_guidance": MotionGuidance}
"The methods by their tags, as files and the command line write them."


@dataclass(frozen=True)
class MethodPreset:
    """A preset: `key` is METHOD_WORD as its file is named, `name` the word that people see."""

    key: str
    name: str
    method: MotionCraft | MotionGuidance


def method_presets() -> dict[str, MethodPreset]:
    """Return the shipped presets by key, in alphabetical order."""
    spec = find_spec("impetus.presets")
    places = list(spec.submodule_search_locations or ()) if spec else []
    found = {}
    for file in sorted(file for place in places for file in Path(place, "methods").glob("*.toml")):
        values = tomllib.loads(file.read_text(encoding="utf-8"))
        name = str(values.pop("name"))
        found[file.stem] = MethodPreset(file.stem, name, _convert(values))
    return found


def preset_method(kind: str | None, word: str | None) -> MotionCraft | MotionGuidance:
    """Return the settings of a preset by method and word, or by its key alone.

    With a method and no word these are its defaults, those of the paper. Raises ShotError that
    lists what there is.
    """
    presets = method_presets()
    if kind is not None and kind not in KINDS:
        raise ShotError("Method", f"expected {' or '.join(KINDS)}, got {kind!r}.")
    if word is None and kind is not None:
        return KINDS[kind]()
    for key in (word, f"{kind}_{word}"):
        preset = presets.get(key or "")
        if preset is not None and kind in (None, preset.method.__struct_config__.tag):
            return preset.method
    raise ShotError(
        "Method preset", f"expected one of {', '.join(presets)}, got {word!r}.",
        "Name one of these, or its last word with the method.",
    )  # fmt: skip


def _convert(values: dict[str, object]) -> MotionCraft | MotionGuidance:
    kind = KINDS[str(values.get("type"))]
    return msgspec.convert(values, kind)
