"""What scenes are built of: colours, textures, shapes, materials, grounds, sky, camera."""
