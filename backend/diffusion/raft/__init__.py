"""The parts of the flow network (RAFT): encoders, correlation, update, published layouts."""
