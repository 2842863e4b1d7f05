"""What every process uses: Kafka and Redis clients, leases, logging, health, metrics.

Imports `rushhour.core` only.
"""
