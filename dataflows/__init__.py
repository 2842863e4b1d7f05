"""Count rides per zone and hour, forecast the next hour, and learn: the Bytewax dataflow.

Pure parts: `counting`, `features`, `forecasters`, `forecasting`. Kafka edges: `source`, `sink`.
Wiring: `flow`. Imports `core` only.
"""
