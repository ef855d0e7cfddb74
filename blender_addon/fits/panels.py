"""How splats are fitted to an object, below where its splats come from."""

import bpy

from impetus.backend.contract.materials import Flowing

from ..captures.reading import is_capture
from ..job_panels import _draw_text
from ..jobs.state import state, told
from ..properties import ImpetusStatus
from ..shot_export.bodies import LAWS
from . import fitting

SHOWN = frozenset({"DYNAMIC", "STATIC", "KINEMATIC"})
"Roles of objects that are shown as they are."


def can_be_fitted(ob: bpy.types.Object) -> bool:
    """Return whether there is a choice of where an object's splats come from."""
    return ob.impetus.role in SHOWN and not is_capture(ob)


class PHYSICS_PT_impetus_fit(bpy.types.Panel):
    bl_label = "Fit"
    bl_space_type = "PROPERTIES"
    bl_region_type = "WINDOW"
    bl_context = "physics"
    bl_parent_id = "PHYSICS_PT_impetus_looks"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        ob = context.object
        if ob is None or not can_be_fitted(ob):
            return False
        runs = bool(state.fit) and context.window_manager.impetus.fit == ob.name
        return runs or ob.impetus.splat_source == "FITTED"

    def draw(self, context: bpy.types.Context) -> None:
        layout, ob, shown = self.layout, context.object, context.window_manager.impetus
        layout.use_property_split = True
        layout.use_property_decorate = False
        if shown.fit:
            self._draw_progress(ob, shown)
        else:
            layout.operator("object.impetus_fit", icon="OUTLINER_OB_POINTCLOUD")
            if shown.fit_trouble:
                _draw_text(layout, shown.fit_trouble, icon="ERROR")
        self._draw_state(ob)
        self._draw_settings(ob)

    def _draw_progress(self, ob: bpy.types.Object, shown: ImpetusStatus) -> None:
        if shown.fit != ob.name:
            self.layout.label(text=f"Fitting {shown.fit}")
        row = self.layout.row(align=True)
        row.progress(factor=shown.fit_factor, text=told(state.fit))
        row.operator("impetus.stop_fit", text="", icon="X")

    def _draw_state(self, ob: bpy.types.Object) -> None:
        layout, fit = self.layout, ob.impetus.fit
        if flows(ob):
            _draw_text(layout, "It flows: takes show its surface's splats", icon="INFO")
        elif fitting.is_stale(ob):
            layout.label(text="Changed since it was fitted", icon="ERROR")
        elif fit.key:
            row = layout.split(factor=0.68)
            row.label(text=f"Fitted: {fit.match:.1f} dB", icon="CHECKMARK")
            row.operator("impetus.view_scene", text="Show")
        elif not state.fit:
            layout.label(text="Not fitted yet", icon="INFO")

    def _draw_settings(self, ob: bpy.types.Object) -> None:
        layout, fit = self.layout, ob.impetus.fit
        column = layout.column()
        column.prop(fit, "light")
        column.prop(fit, "cameras")
        column.prop(fit, "engine")
        column = layout.column(align=True)
        for name in ("views", "size", "samples"):
            column.prop(fit, name)
        column = layout.column(align=True)
        column.prop(fit, "splats")
        column.prop(fit, "steps")


def flows(ob: bpy.types.Object) -> bool:
    """Return whether an object's splats move by themselves, so that a fit cannot hold them."""
    law = LAWS[ob.impetus.material]
    return ob.impetus.role == "DYNAMIC" and issubclass(law, Flowing)


classes = (PHYSICS_PT_impetus_fit,)
register, unregister = bpy.utils.register_classes_factory(classes)
