"""What every process shares beside the contracts: Kafka and Redis clients, leases, health, metrics.

Imports `rushhour.core` only.
"""
