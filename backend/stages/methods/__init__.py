"""What a shot's method needs, starts from and follows; how its frames are kept."""
