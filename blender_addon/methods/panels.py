"""Panels of the methods, under Properties > Output > Impetus: what does not apply is not shown."""

from collections.abc import Iterable

import bpy

from . import costs, presets
from .edits.panels import draw_edits
from .masks import draw_mask
from .motion_panels import draw_motion
from .operators import picture_in
from .properties import ImpetusDiffusion


class _OfDiffusion:
    bl_space_type = "PROPERTIES"
    bl_region_type = "WINDOW"
    bl_context = "output"
    bl_parent_id = "OUTPUT_PT_impetus_diffusion"
    methods: Iterable[str] = ("MOTIONCRAFT", "MOTION_GUIDANCE")
    "Those that the panel belongs to."

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return context.scene.impetus.diffusion.method in cls.methods


def _settings(panel: bpy.types.Panel, context: bpy.types.Context) -> ImpetusDiffusion:
    panel.layout.use_property_split = True
    panel.layout.use_property_decorate = False
    return context.scene.impetus.diffusion


class OUTPUT_MT_impetus_methods(bpy.types.Menu):
    bl_label = "Settings"

    def draw(self, context: bpy.types.Context) -> None:
        for name in presets.presets().get(context.scene.impetus.diffusion.method, ()):
            self.layout.operator("impetus.diffusion_preset", text=name).name = name


class OUTPUT_PT_impetus_diffusion(bpy.types.Panel):
    bl_space_type = "PROPERTIES"
    bl_region_type = "WINDOW"
    bl_context = "output"
    bl_label = "Diffusion"
    bl_parent_id = "OUTPUT_PT_impetus"

    def draw_header_preset(self, context: bpy.types.Context) -> None:
        if context.scene.impetus.diffusion.method != "NONE":
            row = self.layout.row()
            row.emboss = "NONE"
            row.menu("OUTPUT_MT_impetus_methods", text="", icon="PRESET")

    def draw(self, context: bpy.types.Context) -> None:
        diffusion, layout = _settings(self, context), self.layout
        layout.prop(diffusion, "method")
        if diffusion.method == "NONE":
            return
        layout.prop(diffusion, "model")
        column = layout.column()
        column.prop(diffusion, "prompt")
        column.prop(diffusion.settings, "negative_prompt")
        draw_cost(layout, context)


class OUTPUT_PT_impetus_start(_OfDiffusion, bpy.types.Panel):
    bl_label = "Start"

    def draw(self, context: bpy.types.Context) -> None:
        diffusion, layout = _settings(self, context), self.layout
        layout.prop(diffusion, "start", text="From")
        match diffusion.start:
            case "RENDER":
                row = layout.row(heading="Frame")
                row.prop(diffusion, "use_frame", text="")
                number = row.row()
                number.active = diffusion.use_frame
                number.prop(diffusion, "frame", text="")
                if diffusion.method == "MOTIONCRAFT":
                    row = layout.row()
                    row.active = diffusion.can_follow
                    row.prop(diffusion.motioncraft, "follow")
            case "PICTURE":
                layout.template_ID(diffusion, "picture", open="image.open", text="Picture")
                _draw_camera_button(layout, context)
            case "GENERATED":
                column = layout.column(align=True)
                column.prop(diffusion, "start_steps")
                column.prop(diffusion, "start_guidance")


def _draw_camera_button(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    camera, picture = context.scene.camera, context.scene.impetus.diffusion.picture
    is_camera = camera is not None and camera.type == "CAMERA"
    shown = is_camera and picture is not None and picture_in(camera.data, picture) is not None
    text = "Hide in Camera" if shown else "Show in Camera"
    layout.operator("impetus.picture_in_camera", text=text, icon="CAMERA_DATA")


class OUTPUT_PT_impetus_motion(_OfDiffusion, bpy.types.Panel):
    bl_label = "Motion"

    def draw(self, context: bpy.types.Context) -> None:
        diffusion, layout = _settings(self, context), self.layout
        layout.prop(diffusion.settings, "motion", text="From")
        draw_motion(layout, diffusion)
        if diffusion.method == "MOTION_GUIDANCE":
            draw_edits(layout, context)


class OUTPUT_PT_impetus_novelty(_OfDiffusion, bpy.types.Panel):
    bl_label = "Novelty"
    bl_options = {"DEFAULT_CLOSED"}
    methods = ("MOTIONCRAFT",)

    def draw(self, context: bpy.types.Context) -> None:
        craft, layout = _settings(self, context).motioncraft, self.layout
        new = craft.novelty
        column = layout.column(heading="New Is", align=True)
        column.prop(new, "out_of_frame")
        column.prop(new, "disoccluded")
        column.prop(new, "active")
        draw_mask(layout, new.mask, text="And Always", auto="Nothing more")
        layout.prop(craft, "fill")
        column = layout.column(heading="Freedom", align=True)
        column.prop(new, "ceiling", text="Freedom of New")
        column.prop(new, "floor")


class OUTPUT_PT_impetus_area(_OfDiffusion, bpy.types.Panel):
    bl_label = "Keep the Rest"
    bl_options = {"DEFAULT_CLOSED"}
    methods = ("MOTION_GUIDANCE",)

    def draw_header(self, context: bpy.types.Context) -> None:
        self.layout.prop(context.scene.impetus.diffusion.motion_guidance, "edit_mask", text="")

    def draw(self, context: bpy.types.Context) -> None:
        guided, layout = _settings(self, context).motion_guidance, self.layout
        layout.active = guided.edit_mask
        auto = "Where things were, and land"
        draw_mask(layout, guided.editable, text="May Change", auto=auto)
        layout.prop(guided, "dilation")


class OUTPUT_PT_impetus_craft(_OfDiffusion, bpy.types.Panel):
    bl_label = "Sampling"
    bl_options = {"DEFAULT_CLOSED"}
    methods = ("MOTIONCRAFT",)

    def draw(self, context: bpy.types.Context) -> None:
        craft, layout = _settings(self, context).motioncraft, self.layout
        column = layout.column(align=True)
        column.prop(craft, "steps")
        column.prop(craft, "tau")
        layout.prop(craft, "guidance")
        column = layout.column()
        column.prop(craft, "attention")
        if craft.attention != "NONE":
            column.prop(craft, "attend_to_itself")
        column = layout.column()
        column.prop(craft, "posterior")
        column.prop(craft, "reinvert")
        column.prop(craft, "inversion_rounds")
        column = layout.column()
        column.prop(craft, "warp")
        if craft.warp == "NEAREST":
            column.prop(craft, "carry_residual")
            settle = column.row()
            settle.active = craft.carry_residual
            settle.prop(craft, "settle_picture")
        else:  # what mixes cells moves by parts of one
            column.prop(craft, "restore_variance")
        column.prop(craft, "backward")
        column.prop(craft, "carry_detail")


class OUTPUT_PT_impetus_guidance(_OfDiffusion, bpy.types.Panel):
    bl_label = "Sampling"
    bl_options = {"DEFAULT_CLOSED"}
    methods = ("MOTION_GUIDANCE",)

    def draw(self, context: bpy.types.Context) -> None:
        guided, layout = _settings(self, context).motion_guidance, self.layout
        column = layout.column(align=True)
        column.prop(guided, "steps")
        column.prop(guided, "recursions")
        layout.prop(guided, "guidance")
        row = layout.row(heading="Hard Start")
        row.prop(guided, "use_hard_warp", text="")
        share = row.row()
        share.active = guided.use_hard_warp
        share.prop(guided, "hard_warp_start", text="")
        column = layout.column()
        column.prop(guided, "gradient")
        column.prop(guided, "decoder")
        column.prop(guided, "carry_detail")
        column.prop(guided, "low_memory")


class OUTPUT_PT_impetus_push(_OfDiffusion, bpy.types.Panel):
    bl_label = "Push"
    bl_options = {"DEFAULT_CLOSED"}
    methods = ("MOTION_GUIDANCE",)

    def draw(self, context: bpy.types.Context) -> None:
        diffusion, layout = _settings(self, context), self.layout
        guided, terms = diffusion.motion_guidance, diffusion.motion_guidance.terms
        layout.prop(guided, "weight")
        layout.prop(guided, "schedule")
        layout.prop(guided, "clip")
        column = layout.column(align=True)
        column.prop(terms, "flow_weight", text="Weight of Motion")
        column.prop(terms, "color_weight")
        column = layout.column()
        column.prop(terms, "target_flow_warp")
        column.prop(terms, "occlusion_mask")
        column = layout.column()
        column.prop(diffusion, "flow_network")
        column.prop(terms, "flow_iterations")


def draw_cost(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """Say what a take will cost, in what all machines have in common."""
    diffusion = context.scene.impetus.diffusion
    each, total = costs.per_frame(diffusion), costs.whole(diffusion, context.scene)
    split = layout.split(factor=0.4)
    split.active = False
    left, right = split.column(), split.column(align=True)
    left.alignment = "RIGHT"
    left.label(text="Network Runs")
    right.label(text=f"Up to {each:,} a frame")
    right.label(text=f"Up to {total:,} in all")


classes = (
    OUTPUT_MT_impetus_methods,
    OUTPUT_PT_impetus_diffusion,
    OUTPUT_PT_impetus_start,
    OUTPUT_PT_impetus_motion,
    OUTPUT_PT_impetus_novelty,
    OUTPUT_PT_impetus_area,
    OUTPUT_PT_impetus_craft,
    OUTPUT_PT_impetus_guidance,
    OUTPUT_PT_impetus_push,
)
register, unregister = bpy.utils.register_classes_factory(classes)
