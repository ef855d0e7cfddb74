"""Edits over a picture: their properties, handles, panel, operators and drawing."""
