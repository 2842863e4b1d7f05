"""Join rides, predictions and alerts per hour, score the predictions, and write Redis.

Pure: `pending` (which hours are complete), `assignment` (whose partitions), `zone_scores`,
`city_scores` and `rolling` (how good the last week was), `city` (hours of the whole city). Edges:
`reader` (Kafka); `writer`, `city_writer` and `resume` (Redis); `metrics` (Prometheus). `consumer`
puts them together. `submissions` is the room of what users predict.
"""
