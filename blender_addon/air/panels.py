"""Panels of smoke and flocks: on the object that smokes or flies, and the air in the output."""

import bpy


class _OfRole:
    bl_space_type = "PROPERTIES"
    bl_region_type = "WINDOW"
    bl_context = "physics"
    bl_parent_id = "PHYSICS_PT_impetus"
    role = ""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return context.object is not None and context.object.impetus.role == cls.role


class PHYSICS_PT_impetus_smoke(_OfRole, bpy.types.Panel):
    bl_label = "Smoke and Fire"
    role = "SMOKE"

    def draw(self, context: bpy.types.Context) -> None:
        layout, smoke = self.layout, context.object.impetus.smoke
        layout.use_property_split = True
        column = layout.column()
        column.prop(smoke, "smoke", text="Thickness")
        column.prop(smoke, "temperature", text="Heat")
        column.prop(smoke, "fuel")
        column.prop(smoke, "rate", text="Rate")
        column.prop(smoke, "color")
        column = layout.column()
        column.prop(smoke, "velocity")
        column.prop(smoke, "inheritance")
        layout.prop(smoke, "show")
        layout.prop(smoke, "use_window")
        frames = layout.column(align=True)
        frames.active = smoke.use_window
        frames.prop(smoke, "frame_start")
        frames.prop(smoke, "frame_end")


class PHYSICS_PT_impetus_flock(_OfRole, bpy.types.Panel):
    bl_label = "Flock"
    role = "FLOCK"

    def draw(self, context: bpy.types.Context) -> None:
        layout, flock = self.layout, context.object.impetus.flock
        layout.use_property_split = True
        column = layout.column()
        column.prop(flock, "count")
        column.prop(flock, "extent")
        column.prop(flock, "flat")
        column.prop(flock, "ahead")
        column = layout.column(align=True)
        for name in ("speed", "slowest", "fastest", "agility"):
            column.prop(flock, name)
        column = layout.column(align=True)
        column.prop(flock, "sight")
        column.prop(flock, "space")
        column = layout.column()
        column.prop(flock, "goal")
        column.prop(flock, "bounds")
        column.prop(flock, "collides")


class PHYSICS_PT_impetus_flock_wishes(_OfRole, bpy.types.Panel):
    bl_label = "Steering"
    bl_options = {"DEFAULT_CLOSED"}
    role = "FLOCK"

    def draw(self, context: bpy.types.Context) -> None:
        layout, flock = self.layout, context.object.impetus.flock
        layout.use_property_split = True
        column = layout.column(align=True)
        for name in ("separation", "alignment", "cohesion", "avoidance"):
            column.prop(flock, name)
        attraction = column.row()
        attraction.active = flock.goal is not None
        attraction.prop(flock, "attraction")
        layout.prop(flock, "banking")


class _OfOutput:
    bl_space_type = "PROPERTIES"
    bl_region_type = "WINDOW"
    bl_context = "output"
    bl_options = {"DEFAULT_CLOSED"}


class OUTPUT_PT_impetus_gas(_OfOutput, bpy.types.Panel):
    bl_label = "Smoke and Fire"
    bl_parent_id = "OUTPUT_PT_impetus"

    def draw(self, context: bpy.types.Context) -> None:
        layout, gas = self.layout, context.scene.impetus.gas
        layout.use_property_split = True
        layout.use_property_decorate = False
        layout.prop(gas, "resolution")
        layout.prop(gas, "domain")
        layout.row(align=True).prop(gas, "closed", text="Walls")
        column = layout.column(align=True)
        column.prop(gas, "vorticity", text="Whirls")
        column.prop(gas, "viscosity", text="Viscosity")
        column.prop(gas, "weight")
        column = layout.column(align=True)
        column.prop(gas, "cooling", text="Cooling")
        column.prop(gas, "dissipation", text="Dissipation")


class OUTPUT_PT_impetus_fire(_OfOutput, bpy.types.Panel):
    bl_label = "Fire"
    bl_parent_id = "OUTPUT_PT_impetus_gas"

    def draw(self, context: bpy.types.Context) -> None:
        layout, gas = self.layout, context.scene.impetus.gas
        layout.use_property_split = True
        layout.use_property_decorate = False
        column = layout.column(align=True)
        column.prop(gas, "burning_rate", text="Burning Rate")
        column.prop(gas, "flame_temperature", text="Flame Heat")
        column.prop(gas, "radiation", text="Radiation")
        column.prop(gas, "expansion")
        column = layout.column()
        column.prop(gas, "soot", text="Soot")
        column.prop(gas, "soot_color", text="Color")


class OUTPUT_PT_impetus_gas_looks(_OfOutput, bpy.types.Panel):
    bl_label = "Looks"
    bl_parent_id = "OUTPUT_PT_impetus_gas"

    def draw(self, context: bpy.types.Context) -> None:
        layout, gas = self.layout, context.scene.impetus.gas
        layout.use_property_split = True
        layout.use_property_decorate = False
        layout.prop(gas, "splats")
        layout.prop(gas, "anisotropy")
        column = layout.column(align=True)
        column.prop(gas, "flame_brightness", text="Flames")
        column.prop(gas, "flame_density", text="Thickness")
        column.prop(gas, "glow", text="Glow From")


classes = (
    PHYSICS_PT_impetus_smoke,
    PHYSICS_PT_impetus_flock,
    PHYSICS_PT_impetus_flock_wishes,
    OUTPUT_PT_impetus_gas,
    OUTPUT_PT_impetus_fire,
    OUTPUT_PT_impetus_gas_looks,
)
register, unregister = bpy.utils.register_classes_factory(classes)
