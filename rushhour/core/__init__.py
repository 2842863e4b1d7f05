"""Contracts: events, topics, Redis keys, settings, hours and the clock. Pure; imports no room."""
