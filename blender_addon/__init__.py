"""Impetus in Blender: physics, splats and takes. Registers, no more."""

from . import handlers, headless, operators, panels, properties

modules = (properties, operators, panels, headless, handlers)


def register() -> None:
    for module in modules:
        module.register()


def unregister() -> None:
    for module in reversed(modules):
        module.unregister()
