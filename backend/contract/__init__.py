"""What crosses the wire and how: shot, messages, arrays, keys, client, errors."""
