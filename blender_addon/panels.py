"""Panels of the properties editor: physics on the object, the job's settings in the output."""

import bpy

from . import materials
from .captures.reading import is_capture
from .fits.panels import can_be_fitted

MATERIAL_FIELDS = {  # the labels of a narrow editor; the units stand in the names and tooltips
    "ELASTIC": {
        "density": "Density",
        "young_modulus": "Stiffness",
        "poisson_ratio": "Poisson",
        "friction": "Friction",
    },
    "RUBBER": {
        "density": "Density",
        "young_modulus": "Stiffness",
        "poisson_ratio": "Poisson",
        "friction": "Friction",
    },
    "METAL": {
        "density": "Density",
        "yield_stress": "Yield Stress",
        "hardening_modulus": "Hardening",
        "young_modulus": "Stiffness",
        "poisson_ratio": "Poisson",
        "friction": "Friction",
    },
    "PLASTICINE": {
        "density": "Density",
        "yield_stress": "Yield Stress",
        "tear_strain": "Tear Strain",
        "young_modulus": "Stiffness",
        "poisson_ratio": "Poisson",
        "friction": "Friction",
    },
    "BRITTLE": {
        "density": "Density",
        "strength": "Strength",
        "tear_strain": "Tear Strain",
        "young_modulus": "Stiffness",
        "poisson_ratio": "Poisson",
        "friction": "Friction",
    },
    "SNOW": {
        "density": "Density",
        "critical_compression": "Compression",
        "critical_stretch": "Stretch",
        "hardening_coefficient": "Hardening",
        "young_modulus": "Stiffness",
        "poisson_ratio": "Poisson",
        "friction": "Friction",
    },
    "CREAM": {
        "density": "Density",
        "yield_stress": "Yield Stress",
        "consistency": "Consistency",
        "flow_index": "Flow Index",
        "young_modulus": "Stiffness",
        "poisson_ratio": "Poisson",
        "friction": "Friction",
    },
    "SAND": {
        "density": "Density",
        "friction_angle": "Angle",
        "cohesion": "Cohesion",
        "young_modulus": "Stiffness",
        "poisson_ratio": "Poisson",
        "friction": "Friction",
    },
    "WATER": {
        "density": "Density",
        "viscosity": "Viscosity",
        "bulk_modulus": "Stiffness",
        "gamma": "Gamma",
    },
    "RIGID": {"density": "Density", "friction": "Friction", "restitution": "Bounciness"},
}


# --- Properties > Physics


class _OfObject:
    bl_space_type = "PROPERTIES"
    bl_region_type = "WINDOW"
    bl_context = "physics"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return context.object is not None and context.object.impetus.role != "NONE"


class PHYSICS_PT_impetus(_OfObject, bpy.types.Panel):
    bl_label = "Impetus"

    def draw(self, context: bpy.types.Context) -> None:
        layout, physics = self.layout, context.object.impetus
        layout.use_property_split = True
        roles = layout.row(align=True)
        roles.use_property_split = False
        for role in ("DYNAMIC", "STATIC", "KINEMATIC"):
            roles.prop_enum(physics, "role", role)
        roles = layout.row(align=True)
        roles.use_property_split = False
        for role in ("SMOKE", "FLOCK"):
            roles.prop_enum(physics, "role", role)
        if physics.role == "DYNAMIC":
            column = layout.column()
            column.prop(physics, "velocity")
            column.prop(physics, "angular_velocity")
        elif physics.role in {"STATIC", "KINEMATIC"}:
            layout.prop(physics, "boundary")
            friction = layout.column()
            friction.active = physics.boundary == "SEPARATE"
            friction.prop(physics, "friction")


class PHYSICS_PT_impetus_materials(bpy.types.Panel):
    bl_label = "Materials"
    bl_space_type = "PROPERTIES"
    bl_region_type = "HEADER"
    bl_ui_units_x = 24

    def draw(self, _context: bpy.types.Context) -> None:
        grid = self.layout.grid_flow(row_major=True, columns=5, even_columns=True, align=False)
        for name in materials.presets():
            cell = grid.column(align=True)
            cell.template_icon(icon_value=materials.picture(name), scale=3.2)
            cell.operator("object.impetus_material", text=name).name = name


class PHYSICS_PT_impetus_material(_OfObject, bpy.types.Panel):
    bl_label = "Material"
    bl_parent_id = "PHYSICS_PT_impetus"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return super().poll(context) and context.object.impetus.role == "DYNAMIC"

    def draw_header_preset(self, _context: bpy.types.Context) -> None:
        row = self.layout.row()
        row.emboss = "NONE"
        row.popover("PHYSICS_PT_impetus_materials", text="", icon="PRESET")

    def draw(self, context: bpy.types.Context) -> None:
        layout, physics = self.layout, context.object.impetus
        layout.use_property_split = True
        layout.prop(physics, "material", text="Type")
        column = layout.column()
        for name, text in MATERIAL_FIELDS[physics.material].items():
            column.prop(physics, name, text=text)
        if physics.material != "RIGID":
            column.prop(physics, "sticks_to")


class PHYSICS_PT_impetus_looks(_OfObject, bpy.types.Panel):
    bl_label = "Splats"
    bl_parent_id = "PHYSICS_PT_impetus"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        ob = context.object
        return super().poll(context) and (ob.impetus.role == "DYNAMIC" or not is_capture(ob))

    def draw(self, context: bpy.types.Context) -> None:
        layout, physics = self.layout, context.object.impetus
        layout.use_property_split = True
        if can_be_fitted(context.object):
            row = layout.row()
            row.use_property_decorate = False
            row.prop(physics, "splat_source", expand=True)
        if not is_capture(context.object):  # it brings its own
            density = layout.column()
            density.active = not (
                can_be_fitted(context.object) and physics.splat_source == "FITTED"
            )
            density.prop(physics, "splat_density", text="Density")
            layout.prop(physics, "thickness")
        if physics.role == "DYNAMIC":
            row = layout.row(heading="Inner Color")
            row.prop(physics, "use_inner_color", text="")
            color = row.row()
            color.active = physics.use_inner_color
            color.prop(physics, "inner_color", text="")


def draw_physics_button(self: bpy.types.Panel, context: bpy.types.Context) -> None:
    """Stand among the physics types that an object may be given."""
    column = self.layout.column()
    if context.object.impetus.role == "NONE":
        column.operator("object.impetus_add", text="Impetus", icon="MOD_SOFT")
    else:
        column.operator("object.impetus_remove", text="Impetus", icon="X")


# --- Properties > Output


class _OfOutput:
    bl_space_type = "PROPERTIES"
    bl_region_type = "WINDOW"
    bl_context = "output"


class OUTPUT_PT_impetus(_OfOutput, bpy.types.Panel):
    bl_label = "Impetus"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        layout, settings = self.layout, context.scene.impetus
        layout.use_property_split = True
        layout.use_property_decorate = False
        layout.prop(settings, "splats")
        layout.prop(settings, "seed")


class OUTPUT_PT_impetus_simulation(_OfOutput, bpy.types.Panel):
    bl_label = "Simulation"
    bl_parent_id = "OUTPUT_PT_impetus"

    def draw(self, context: bpy.types.Context) -> None:
        layout, settings = self.layout, context.scene.impetus
        layout.use_property_split = True
        layout.use_property_decorate = False
        layout.prop(settings, "simulation_start", text="Start")
        column = layout.column(align=True)
        column.prop(settings, "resolution")
        column.prop(settings, "particles_per_cell", text="Particles")
        column = layout.column()
        column.prop(settings, "domain")
        walls = column.column()
        walls.active = settings.domain is not None
        walls.prop(settings, "walls")
        leaving = column.column()
        leaving.active = settings.domain is None or settings.walls == "OPEN"
        leaving.prop(settings, "leaving")


class OUTPUT_PT_impetus_ground(_OfOutput, bpy.types.Panel):
    bl_label = "Ground"
    bl_parent_id = "OUTPUT_PT_impetus"
    bl_options = {"DEFAULT_CLOSED"}

    def draw_header(self, context: bpy.types.Context) -> None:
        self.layout.prop(context.scene.impetus, "use_ground", text="")

    def draw(self, context: bpy.types.Context) -> None:
        layout, settings = self.layout, context.scene.impetus
        layout.use_property_split = True
        layout.use_property_decorate = False
        layout.active = settings.use_ground
        layout.prop(settings, "ground_height")
        layout.prop(settings, "ground_boundary")
        friction = layout.column()
        friction.active = settings.ground_boundary == "SEPARATE"
        friction.prop(settings, "ground_friction")


class OUTPUT_PT_impetus_light(_OfOutput, bpy.types.Panel):
    bl_label = "Light"
    bl_parent_id = "OUTPUT_PT_impetus"

    def draw(self, context: bpy.types.Context) -> None:
        layout, settings = self.layout, context.scene.impetus
        layout.use_property_split = True
        layout.use_property_decorate = False
        layout.prop(settings, "lighting", text="From")
        if settings.lighting == "BAKE":
            layout.prop(settings, "bake_samples")
        else:
            layout.prop(settings, "shadows")
        backdrop = layout.column()
        backdrop.active = not context.scene.render.film_transparent
        backdrop.template_ID(settings, "backdrop", open="image.open", text="Backdrop")


class OUTPUT_PT_impetus_blur(_OfOutput, bpy.types.Panel):
    bl_label = "Blur"
    bl_parent_id = "OUTPUT_PT_impetus"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        layout, scene = self.layout, context.scene
        settings, camera = scene.impetus, scene.camera
        layout.use_property_split = True
        layout.use_property_decorate = False
        layout.prop(settings, "use_depth_of_field")
        lens = camera.data if camera is not None and camera.type == "CAMERA" else None
        if settings.use_depth_of_field and lens is not None and not lens.dof.use_dof:
            layout.label(text="The camera's depth of field is off", icon="INFO")
        layout.prop(settings, "use_motion_blur")
        if settings.use_motion_blur and not scene.render.use_motion_blur:
            layout.label(text="The render's motion blur is off", icon="INFO")
        samples = layout.column()
        samples.active = settings.use_depth_of_field or settings.use_motion_blur
        samples.prop(settings, "blur_samples")


classes = (
    PHYSICS_PT_impetus,
    PHYSICS_PT_impetus_materials,
    PHYSICS_PT_impetus_material,
    PHYSICS_PT_impetus_looks,
    OUTPUT_PT_impetus,
    OUTPUT_PT_impetus_simulation,
    OUTPUT_PT_impetus_ground,
    OUTPUT_PT_impetus_light,
    OUTPUT_PT_impetus_blur,
)
_register_classes, _unregister_classes = bpy.utils.register_classes_factory(classes)


def register() -> None:
    _register_classes()
    bpy.types.PHYSICS_PT_add.append(draw_physics_button)


def unregister() -> None:
    bpy.types.PHYSICS_PT_add.remove(draw_physics_button)
    _unregister_classes()
