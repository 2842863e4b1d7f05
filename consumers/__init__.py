"""Join rides with predictions, score them, and keep Redis: the last part of the line.

Pure parts: `pending` (which hours are complete), `share` (whose partitions), `scores`, `coverage`
and `rolling` (how good the last week was). Edges: `reader` (Kafka), `writer`, `city`, `stored`
and `restore` (Redis). `views` reads Redis as pandas. Imports `core` only.
"""
