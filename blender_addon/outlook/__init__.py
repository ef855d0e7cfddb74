"""What the shot will take, told beside Make Take: particles, substeps, memory, time."""
