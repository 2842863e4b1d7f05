"""Join rides with predictions, score them, and keep Redis: the last part of the line.

Pure parts: `pending` (which hours are complete), `scores` (rolling errors). Edges: `reader`
(Kafka), `writer` and `restore` (Redis). `views` reads Redis as pandas. Imports `core` only.
"""
