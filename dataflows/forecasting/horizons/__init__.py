"""Forecasts of the hours after the next one: features, regressions, and learning with a delay.

An hour ahead of the last closed one is horizon 1, which `dataflows.forecasting.engine` forecasts
with models of its own. A horizon of h hours is one forecaster here. It describes an hour by what
was known h hours before it, and learns that hour h hours after it was forecast.
"""
