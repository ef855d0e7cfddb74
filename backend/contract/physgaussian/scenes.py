"""PhysGaussian's published sample scenes, as far as their numbers are known: presets, data."""

import tomllib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from ..errors import ShotError
from .config import Config, config_of
from .convert import Imported, convert


@dataclass(frozen=True)
class Scene:
    """One of the scenes; `key` is its file's name, `name` the words that people see."""

    key: str
    name: str
    config: Config
    forcing: str
    "What moves it, in words: where, is for whoever sets it up."
    untold: tuple[str, ...]
    "Keys of its configuration whose values are not known; PhysGaussian's defaults stand there."

    @property
    def imported(self) -> Imported:
        """What it says, in our words."""
        return convert(self.config)


def scenes() -> dict[str, Scene]:
    """Return the shipped scenes by key, in alphabetical order."""
    spec = find_spec("impetus.presets")
    places = list(spec.submodule_search_locations or ()) if spec else []
    files = (file for place in places for file in Path(place, "physgaussian").glob("*.toml"))
    return {file.stem: _read(file) for file in sorted(files)}


def _read(file: Path) -> Scene:
    values = tomllib.loads(file.read_text(encoding="utf-8"))
    config, told = config_of(values["config"], file.name)
    if told:
        raise ShotError(file.name, f"expected keys of a configuration, got: {told[0]}")
    untold = tuple(str(key) for key in values["untold"])
    return Scene(file.stem, str(values["name"]), config, str(values["forcing"]), untold)
