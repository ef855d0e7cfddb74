"""Takes, and fits, without a window.

    blender --command impetus render FILE.blend --out DIR
    blender --command impetus fit FILE.blend OBJECT [--out OBJECT.fit]

and from a Python with bpy, where the extension is installed:

    from bl_ext.user_default.impetus.headless import render_file
    render_file("FILE.blend", "DIR")

Exit codes: 0 done, 1 the shot cannot be made as it stands, 2 wrong usage, 75 try again (the
backend was lost; what is finished stays).
"""

import argparse
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import bpy

from impetus.backend.contract.errors import CancelledError, ImpetusError, LinkError

from .fits import fitting, order
from .fits.order import Made
from .job_panels import progress_text
from .jobs import machine, session
from .jobs.orders import Finished, Stepped
from .jobs.state import find, status
from .lifts import lifting
from .lifts import order as lift_order
from .lifts.order import Wanted
from .properties import ImpetusTake

DONE, FAILED, TRY_AGAIN = 0, 1, 75
PAUSE = 0.02
LOST_SECONDS = 120.0
"How long a backend may stay away before the command gives up."

Say = Callable[[str], None]


def make_take(
    scene: bpy.types.Scene, *, folder: Path | None = None, python: Path | None = None,
    home: Path | None = None, say: Say = lambda line: None,
) -> ImpetusTake:  # fmt: skip
    """Make a take of the scene, wait for it, and return it; it stands on the scene's timeline.

    `folder` is where its files go, by default a new one beside the blend file; `python` is the
    backend's Python, `home` its home; by default, those of this install.
    Raises ShotError, LinkError (try again), or what the backend failed with.
    """
    if python is not None or home is not None:
        machine.choose(python=python, home=home)
    begun = session.make_take(scene, folder=folder)
    key = begun.key
    for line in begun.warnings.splitlines():
        say(f"warning: {line}")
    said, seen = "", time.monotonic()
    while True:
        session.tick()
        take = find(key)
        if take is None:
            raise CancelledError("The take was removed.")
        text = _line(take)
        if text != said:
            said, seen = text, time.monotonic()
            say(text)
        if not take.is_active:
            break
        if status().link != "OFF":
            seen = time.monotonic()
        elif time.monotonic() - seen > LOST_SECONDS:
            raise LinkError(status().sentence or "The backend is gone.", "Try again.")
        time.sleep(PAUSE)
    return _judge(take)


def render_file(
    path: str | Path, out: str | Path, *, python: Path | None = None, home: Path | None = None,
    say: Say | None = None,
) -> int:  # fmt: skip
    """Open a blend file, make a take of its scene, put its files into `out`; return the exit code.

    The blend file itself is not changed. Run again, it goes on where it was.
    """
    say = say or _print
    target = Path(out).resolve()
    try:
        if not Path(path).is_file():
            raise ImpetusError(f"Expected a blend file, got {path}.", "Check the path.")
        bpy.ops.wm.open_mainfile(filepath=str(Path(path).resolve()))
        make_take(bpy.context.scene, folder=target, python=python, home=home, say=say)
    except LinkError as error:
        say(f"error: {error}")
        return TRY_AGAIN
    except ImpetusError as error:
        say(f"error: {error}")
        return FAILED
    say(f"done: {target}")
    return DONE


def fit_object(
    ob: bpy.types.Object, scene: bpy.types.Scene, *, python: Path | None = None,
    home: Path | None = None, say: Say = lambda line: None,
) -> Made:  # fmt: skip
    """Fit splats to an object of a scene, wait for it, and note it on the object.

    Takes show it from now on. Raises ShotError, LinkError, ChildError.
    """
    if python is not None or home is not None:
        machine.choose(python=python, home=home)
    said, made = "", None
    for notice in order.run("fit", order.plan(scene, ob)):
        if isinstance(notice, Stepped) and notice.text != said:
            said = notice.text
            say(f"{ob.name}: {said}")
        elif isinstance(notice, Finished):
            made = notice.result
    assert isinstance(made, Made)
    fitting.keep(ob, made)
    return made


def body_of_picture(
    picture: str | Path, folder: str | Path, *, options: Sequence[str] = (), camera: bool = False,
    python: Path | None = None, home: Path | None = None, say: Say = lambda line: None,
) -> bpy.types.Object:  # fmt: skip
    """Make a body of the object in a picture, wait for it, and put it into the open scene.

    `options` are those of `impetus lift`, as they are typed; `folder` gets what is made. With
    `camera` the one that saw it comes too. Raises LinkError, ChildError, CaptureError.
    """
    if python is not None or home is not None:
        machine.choose(python=python, home=home)
    wanted = Wanted(Path(picture), Path(folder), tuple(options), camera, "DYNAMIC")
    said = ""
    for notice in lift_order.run("lift", wanted, machine.python()):
        if isinstance(notice, Stepped) and notice.text != said:
            said = notice.text
            say(f"{wanted.picture.name}: {said}")
    ob, notes = lifting.place(bpy.context, wanted)
    for note in notes:
        say(f"{ob.name}: {note}")
    return ob


def fit_file(
    path: str | Path, name: str, out: str | Path | None = None, *, python: Path | None = None,
    home: Path | None = None, say: Say | None = None,
) -> int:  # fmt: skip
    """Open a blend file and fit splats to one of its objects; return the exit code.

    The blend file itself is not changed: takes find the fit where the object's splats are set to
    Fitted. Run again, it goes on where it was. `out` gets a copy of the fitted splats.
    """
    say = say or _print
    try:
        if not Path(path).is_file():
            raise ImpetusError(f"Expected a blend file, got {path}.", "Check the path.")
        bpy.ops.wm.open_mainfile(filepath=str(Path(path).resolve()))
        ob = bpy.context.scene.objects.get(name)
        if ob is None:
            raise ImpetusError(f"Expected an object {name} there, got none.", "Check its name.")
        made = fit_object(ob, bpy.context.scene, python=python, home=home, say=say)
        if out is not None:
            shutil.copyfile(order.fit_path(made.key), out)
    except LinkError as error:
        say(f"error: {error}")
        return TRY_AGAIN
    except ImpetusError as error:
        say(f"error: {error}")
        return FAILED
    say(f"done: {made.splats:,} splats, {made.match:.1f} dB")
    return DONE


def run_command(arguments: list[str]) -> int:
    """Carry out `blender --command impetus ...`; return its exit code."""
    parser = argparse.ArgumentParser(prog="blender --command impetus")
    commands = parser.add_subparsers(dest="command", required=True)
    render = commands.add_parser("render", help="make a take of a blend file")
    render.add_argument("file", type=Path, help="the blend file")
    render.add_argument("--out", type=Path, required=True, help="folder for the take's files")
    fit = commands.add_parser("fit", help="fit splats to an object of a blend file")
    fit.add_argument("file", type=Path, help="the blend file")
    fit.add_argument("object", help="the object's name")
    fit.add_argument("--out", type=Path, help="a .fit file for a copy of the splats")
    for each in (render, fit):
        each.add_argument("--python", type=Path, help="the backend's Python, for development")
        each.add_argument("--home", type=Path, help="the backend's home, for development")
    try:
        chosen = parser.parse_args(arguments)
    except SystemExit as end:
        return int(end.code or 0)
    if chosen.command == "fit":
        return fit_file(
            chosen.file, chosen.object, chosen.out, python=chosen.python, home=chosen.home
        )
    return render_file(chosen.file, chosen.out, python=chosen.python, home=chosen.home)


def _line(take: ImpetusTake) -> str:
    if not take.is_active:
        return f"{take.name}: {take.state}"
    return f"{take.name}: {progress_text(status(), take) or take.state}"


def _judge(take: ImpetusTake) -> ImpetusTake:
    if take.state == "done":
        return take
    if take.state == "cancelled":
        raise CancelledError(f"{take.name} was cancelled.")
    if not take.job:
        raise LinkError(take.sentence, "")
    raise ImpetusError(take.sentence, "")


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


_command: list[object] = []


def register() -> None:
    _command.append(bpy.utils.register_cli_command("impetus", run_command))


def unregister() -> None:
    bpy.utils.unregister_cli_command(_command.pop())
