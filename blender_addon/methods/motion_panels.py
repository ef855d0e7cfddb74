"""Lays out what each kind of motion is told."""

import bpy

from .masks import draw_mask
from .properties import ImpetusDiffusion


def draw_motion(layout: bpy.types.UILayout, diffusion: ImpetusDiffusion) -> None:
    """Lay out the settings of the chosen motion; the shot's own has none."""
    match diffusion.motion:
        case "SHIFT":
            layout.prop(diffusion.slide, "step")
        case "TURN":
            slide = diffusion.slide
            layout.prop(slide, "turn_angle")
            layout.prop(slide, "growth")
            layout.prop(slide, "turn_center")
        case "SPHERE":
            slide = diffusion.slide
            layout.prop(slide, "sphere_angle")
            layout.prop(slide, "radius")
            layout.prop(slide, "sphere_center")
            layout.prop(slide, "axis")
        case "SMOKE":
            _smoke(layout, diffusion)
        case "LIQUID":
            _liquid(layout, diffusion)
        case "FLOCK":
            _flock(layout, diffusion)
        case "FILE":
            layout.prop(diffusion.found, "path")
            layout.prop(diffusion.found, "direction")
            if diffusion.method == "MOTIONCRAFT":
                draw_mask(layout, diffusion.found.active, text="Smoke, Liquid", auto="None")
        case "VIDEO":
            found = diffusion.found
            layout.template_ID(found, "video", open="image.open", text="Video")
            layout.prop(found, "video_start", text="Start")
            layout.prop(diffusion, "flow_network")
            layout.prop(found, "iterations")


def _smoke(layout: bpy.types.UILayout, diffusion: ImpetusDiffusion) -> None:
    smoke = diffusion.smoke
    draw_mask(layout, smoke.source, text="Comes From", auto="A spot low in the picture")
    draw_mask(layout, smoke.obstacle, text="Flows Round", auto="Nothing")
    column = layout.column()
    column.prop(smoke, "buoyancy")
    column.prop(smoke, "vorticity")
    column.prop(smoke, "emission")
    column.prop(smoke, "wind")
    layout.prop(smoke, "resolution")


def _liquid(layout: bpy.types.UILayout, diffusion: ImpetusDiffusion) -> None:
    liquid = diffusion.liquid
    draw_mask(layout, liquid.fluid, text="Liquid Is", auto="The upper middle")
    draw_mask(layout, liquid.obstacle, text="Flows Round", auto="Nothing")
    layout.prop(liquid, "gravity")
    layout.prop(liquid, "use_inflow")
    if liquid.use_inflow:
        draw_mask(layout, liquid.inflow, text="Comes In", auto="Where the liquid is")
        layout.prop(liquid, "inflow_velocity")
    layout.prop(liquid, "resolution")


def _flock(layout: bpy.types.UILayout, diffusion: ImpetusDiffusion) -> None:
    flock = diffusion.flock
    draw_mask(layout, flock.agents, text="Flock", auto="Discs, spread over the picture")
    if flock.agents.source == "AUTO":
        layout.prop(flock, "count")
    layout.prop(flock, "speed")
    column = layout.column(align=True)
    column.prop(flock, "separation")
    column.prop(flock, "alignment")
    column.prop(flock, "cohesion")
    row = layout.row(heading="Goal")
    row.prop(flock, "use_goal", text="")
    place = row.row()
    place.active = flock.use_goal
    place.prop(flock, "goal", text="")
