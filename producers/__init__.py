"""Where trips come from: a TLC file, its download, or a synthetic month.

Nothing here imports `dataflows`, `consumers` or `simulator`.
"""
