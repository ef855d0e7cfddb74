"""Impetus in Blender: physics, splats and takes. Registers, no more."""

from . import (
    handlers,
    headless,
    job_panels,
    materials,
    operators,
    panels,
    physgaussian,
    properties,
    take_operators,
)
from .acts import operators as act_operators
from .acts import panels as act_panels
from .air import panels as air_panels
from .captures import drawing as capture_drawing
from .captures import operators as capture_operators
from .captures import panels as capture_panels
from .fits import operators as fit_operators
from .fits import panels as fit_panels
from .guides import drawing as guide_drawing
from .lifts import operators as lift_operators
from .lifts import panels as lift_panels
from .methods import operators as method_operators
from .methods import panels as method_panels
from .methods.edits import drawing as edit_drawing
from .methods.edits import operators as edit_operators
from .methods.edits import panels as edit_panels
from .outlook import panels as outlook_panels
from .outlook import watch as outlook_watch
from .preview import drawing as preview_drawing
from .preview import panels as preview_panels
from .regions import panels as region_panels
from .viewport import drawing as view_drawing
from .viewport import operators as view_operators
from .viewport import panels as view_panels

modules = (
    properties, materials, operators, take_operators, act_operators, capture_operators,
    lift_operators, fit_operators, method_operators, edit_operators, view_operators, panels,
    region_panels, fit_panels, act_panels, air_panels, capture_panels, method_panels, job_panels,
    outlook_panels, lift_panels, preview_panels, view_panels, edit_panels, edit_drawing,
    guide_drawing, capture_drawing, preview_drawing, view_drawing, outlook_watch, physgaussian,
    headless, handlers,
)  # fmt: skip


def register() -> None:
    for module in modules:
        module.register()


def unregister() -> None:
    for module in reversed(modules):
        module.unregister()
