"""The commands of `rushhour`: Typer and nothing else."""
