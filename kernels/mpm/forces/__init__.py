"""What acts on matter from outside: force fields on the grid; pushes and holds on regions."""
