"""Where one object is stiffer or heavier than elsewhere: painted weights that scale its matter."""
