"""The viewer, which draws what viewports ask for, and the server's hold on it."""
