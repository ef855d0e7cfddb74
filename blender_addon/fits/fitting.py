"""The fit that an artist asks for: begun, followed by its notices, ended; on the main thread."""

import bpy

from ..jobs import orders
from ..jobs.state import keep_step, note, say, state
from .order import START, Made, plan, run
from .subject import mark


def begin(scene: bpy.types.Scene, ob: bpy.types.Object) -> None:
    """Begin to fit an object. Raises ShotError, and LinkError where there is no backend."""
    made = plan(scene, ob)
    state.fit = f"fit {ob.name}"
    state.link.order(orders.Run(state.fit, run(state.fit, made)))
    note(state.fit, START)
    say(fit=ob.name, fit_factor=0.0, fit_trouble="", sentence="", remedy="")


def stop() -> None:
    """End the fit that runs; asked for again, it goes on where it was."""
    state.link.order(orders.Stop(state.fit))
    end()


def finish(result: object) -> None:
    """Note on the object what was made, and let takes show it."""
    end()
    if isinstance(result, Made) and (ob := bpy.data.objects.get(result.object)) is not None:
        keep(ob, result)
        keep_step("Fit Splats")


def keep(ob: bpy.types.Object, made: Made) -> None:
    ob.impetus.fit.key, ob.impetus.fit.mark = made.key, made.mark
    ob.impetus.fit.match, ob.impetus.splat_source = made.match, "FITTED"


def end(trouble: str = "") -> None:
    """Nothing runs any more; say what went wrong, if something did."""
    state.fit = ""
    say(fit="", fit_factor=0.0, fit_trouble=trouble)


def is_stale(ob: bpy.types.Object) -> bool:
    """Return whether an object looks otherwise than when it was fitted; quickly told."""
    return bool(ob.impetus.fit.key) and ob.impetus.fit.mark != mark(ob)
