"""The live view as a remote control: a terminal that it owns, keys, and what they command."""
