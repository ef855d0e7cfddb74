"""The suite of the motion field against traced truth."""
