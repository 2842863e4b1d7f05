"""What every part of rushhour shares: events, names, settings, time and the simulated clock.

Nothing here imports `producers`, `dataflows`, `consumers` or `simulator`.
"""
