"""Impetus in Blender: physics, splats and takes. Registers, no more."""

from . import handlers, headless, job_panels, operators, panels, properties, take_operators

modules = (properties, operators, take_operators, panels, job_panels, headless, handlers)


def register() -> None:
    for module in modules:
        module.register()


def unregister() -> None:
    for module in reversed(modules):
        module.unregister()
