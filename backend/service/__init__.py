"""The server that queues jobs, the worker that makes them, and what keeps both alive."""
