"""Replay New York taxi trips as a live stream, forecast every zone's next hour, score it."""
