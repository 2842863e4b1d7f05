"""How good the predictions are, over the last 24 hours, 7 days, or the whole run.

`hour_scores` reduces an hour to sums, `windows` adds sums up over a window, `monitor` reads
hours from Redis and keeps their sums.
"""
