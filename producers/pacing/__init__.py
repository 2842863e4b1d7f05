"""When the trips of a run are due: the simulated clock, commands to it, gates, and the replay."""
