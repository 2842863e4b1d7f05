"""The commands as Typer sees them: names, help, arguments and flags; no work."""
