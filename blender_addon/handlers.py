"""What Blender tells by itself: files closed and opened, undo, the end."""

import bpy
from bpy.app.handlers import persistent

from .jobs import session
from .viewport import session as view_session


@persistent
def before_load(*_: object) -> None:
    view_session.leave_file()
    session.leave_file()


@persistent
def after_load(*_: object) -> None:
    session.enter_file()


@persistent
def after_undo(*_: object) -> None:
    session.after_undo()


@persistent
def before_exit(*_: object) -> None:
    view_session.stop()
    session.stop()


def _lists() -> list[tuple[list[object], object]]:
    handlers = bpy.app.handlers
    found = [
        (handlers.load_pre, before_load),
        (handlers.load_post, after_load),
        (handlers.undo_post, after_undo),
        (handlers.redo_post, after_undo),
    ]
    if hasattr(handlers, "exit_pre"):  # before Blender 5.2, unregister ends it alone
        found.append((handlers.exit_pre, before_exit))
    return found


def register() -> None:
    for handlers, handler in _lists():
        handlers.append(handler)
    session.start()


def unregister() -> None:
    session.stop()
    for handlers, handler in _lists():
        handlers.remove(handler)
