"""Join rides with predictions, score them, and keep Redis: the last part of the line.

Pure parts: `pending` (which hours are complete), `scores` (rolling errors). Edges: `writer`
and `restore` (Redis), `__main__` (Kafka). `views` reads Redis as pandas. Imports `core` only.
"""
