"""The pages of a run, for a browser: what Redis holds, live, and commands to the clock."""
