"""Predictions of users: take those that come before their hour begins, and score them.

One consumer, the first, reads the topic `submissions`. Whether a record is in time depends on the
starts of hours on its own partition, which the producer writes there: the order of the log decides,
whenever it is read. What was decided, the offsets and the scores are one transaction.

Pure: `records` (what a record holds), `acceptance` (which are taken), `scores`. Edges: `state` and
`writer` (Redis). `submissions` puts them together.
"""
