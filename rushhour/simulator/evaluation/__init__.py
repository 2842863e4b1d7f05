"""Runs as arrays, offline replays, the independent recount, and verification."""
