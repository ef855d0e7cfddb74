"""From one picture to a body: mask, form, splats, and their refinement (Tan et al., PhysMotion)."""
