"""What outlives the server: jobs and events, arrays, takes."""
