"""Pictures of an object from all around, and the splats that were fitted to them."""
