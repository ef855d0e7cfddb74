"""What crosses the wire and how: the shot, the messages, the arrays, the keys, the client, the errors."""
