"""The Bytewax dataflow: counts rides per zone and hour, forecasts the next hour and learns.

Pure modules: `counting`, `events`, `forecasting`. Kafka: `source`, `sink`. Wiring: `flow`.
"""
