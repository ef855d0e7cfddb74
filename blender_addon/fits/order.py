"""A fit of one object: views by a background Blender on a copy, then the backend's fit of them."""

import json
import os
import re
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import bpy

from impetus.backend.contract.errors import ImpetusError, ShotError
from impetus.backend.contract.fits.files import read_fitted
from impetus.backend.contract.fits.fitted import Fitted

from ..jobs import machine
from ..jobs.bake import about_here, background, save_copy
from ..jobs.orders import Finished, Notice, Stepped
from ..jobs.watched import watch
from .properties import ImpetusFit
from .subject import fit_key, mark, subjects, views_key

VIEW_SECONDS, SAMPLE_SECONDS = 1.0, 1e-6
STEP_SECONDS, SPLAT_SECONDS, START_SECONDS = 0.3, 1e-5, 30.0
"""What a picture takes and each sample of it, a step and each splat in it, and until the first
step: on two busy cores. Only how they compare counts, for the bar."""
START = "Start the renderer"
KEPT_VIEWS, KEPT_FITS = 6, 200


@dataclass(frozen=True)
class Plan:
    """What is to be done for one object."""

    object: str
    folder: Path
    views_key: str
    fit_key: str
    mark: str
    views_share: float
    "What the pictures are of the whole time, about."
    render: tuple[str, ...]
    fit: tuple[str, ...]

    @property
    def views(self) -> Path:
        return self.folder / f"{self.views_key}.views"

    @property
    def copy(self) -> Path:
        return self.folder / f"{self.views_key}.blend"

    @property
    def result(self) -> Path:
        return fit_path(self.fit_key)


@dataclass(frozen=True)
class Made:
    """A finished fit."""

    object: str
    key: str
    mark: str
    splats: int
    match: float


def fits_folder() -> Path:
    return machine.cache_folder() / "fits"


def fit_path(key: str) -> Path:
    return fits_folder() / f"{key}.fit"


def plan(scene: bpy.types.Scene, ob: bpy.types.Object) -> Plan:
    """Save a copy of the file and say how to fit an object; only says, where that is done already.

    Raises ShotError, and LinkError where there is no backend.
    """
    folder = fits_folder()
    folder.mkdir(parents=True, exist_ok=True)
    found = subjects(scene)
    name, key = found.of(ob), views_key(scene, found, ob)
    settings, fit = folder / f"{key}.json", ob.impetus.fit
    views = folder / f"{key}.views"
    result = fit_key(scene, found, ob, key)
    backend = (
        str(machine.python()), "-P", "-m", "impetus.backend", "fit", str(views), "--out",
        str(fit_path(result)), "--cache", str(machine.home() / "cache"), "--splats",
        str(fit.splats), "--steps", str(fit.steps), "--seed", str(scene.impetus.seed),
    )  # fmt: skip
    share = views_share(fit)
    made = Plan(ob.name, folder, key, result, mark(ob), share, background(settings), backend)
    if made.views.exists() or made.result.exists():
        return made
    save_copy(made.copy)
    order = {
        "task": "views", "copy": str(made.copy), "result": str(made.views), "scene": scene.name,
        "object": name, "views": fit.views, "size": fit.size, "samples": fit.samples,
        "light": fit.light, "cameras": fit.cameras, "engine": fit.engine, "turn": 0.0,
        **about_here(),
    }  # fmt: skip
    settings.write_text(json.dumps(order), "utf-8")
    return made


def views_share(fit: ImpetusFit) -> float:
    """Return what the pictures are of a fit's time, about."""
    pictures = fit.views * (VIEW_SECONDS + SAMPLE_SECONDS * fit.samples * fit.size**2)
    steps = START_SECONDS + fit.steps * (STEP_SECONDS + SPLAT_SECONDS * fit.splats)
    return pictures / (pictures + steps)


def run(key: str, made: Plan) -> Generator[Notice, None, None]:
    """Render and fit, and yield how far it is; the last notice carries what was made.

    Closed, it ends what runs; the next time, what was done is not done again. Runs on the I/O
    thread. Raises ChildError, ShotError.
    """
    if not made.result.exists():
        share = 0.0 if made.views.exists() else made.views_share
        yield from _views(key, made)
        yield from _fit(key, made, share)
    _keep_newest(made.folder)
    fitted = fitted_of(made.fit_key)
    if fitted is None:
        raise ImpetusError(f"Expected a fit of {made.object}, got none.", "Fit it again.")
    splats = fitted.mean.shape[0]
    yield Finished(key, Made(made.object, made.fit_key, made.mark, splats, fitted.match))


def fitted_of(key: str) -> Fitted | None:
    """Return what a fit made, None where it is not there, or not whole."""
    try:
        return read_fitted(fit_path(key))[0]
    except ShotError:
        return None


def _views(key: str, made: Plan) -> Generator[Notice, None, None]:
    if made.views.exists():
        return
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    log, text, factor = made.views.with_suffix(".log"), START, 0.0
    try:
        for line in watch(made.render, log, environment, "Rendering views"):
            if line.startswith("IMPETUS "):
                _, done, total, _ = line.split(" ", 3)
                text, factor = f"Render view {int(done) + 1} of {total}", int(done) / int(total)
            yield Stepped(key, text, made.views_share * factor)
    finally:
        made.copy.unlink(missing_ok=True)
        made.views.with_suffix(".json").unlink(missing_ok=True)


def _fit(key: str, made: Plan, done: float) -> Generator[Notice, None, None]:
    """Fit; `done` is the share of the time that the pictures took."""
    # What Blender set for its own Python is not for the backend's.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    environment["PYTHONUNBUFFERED"] = "1"
    log, text, factor = made.result.with_suffix(".log"), "Fit: start", 0.0
    for line in watch(made.fit, log, environment, "The fit"):
        if found := re.match(r"fit (\d+) %, (.*)", line):
            text, factor = f"Fit: {_short(found[2])}", int(found[1]) / 100
        yield Stepped(key, text, done + (1 - done) * factor)


def _short(told: str) -> str:
    """Leave out what a narrow panel has no room for: how many splats there are."""
    return re.sub(r", [\d,]+ splats", "", told)


def _keep_newest(folder: Path) -> None:
    for kind, count in (("views", KEPT_VIEWS), ("fit", KEPT_FITS)):
        files = sorted(folder.glob(f"*.{kind}"), key=lambda p: p.stat().st_mtime, reverse=True)
        for old in files[count:]:
            old.unlink(missing_ok=True)
            old.with_suffix(".log").unlink(missing_ok=True)
