"""Impetus in Blender: physics, splats and takes. Registers, no more."""

from . import properties

modules = (properties,)


def register() -> None:
    for module in modules:
        module.register()


def unregister() -> None:
    for module in reversed(modules):
        module.unregister()
