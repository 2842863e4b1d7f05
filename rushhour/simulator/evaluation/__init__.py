"""Live runs and offline replays as arrays, their scores, and the check of one by the other."""
