"""The suite of reliability: kills, and messages that nobody should send."""
