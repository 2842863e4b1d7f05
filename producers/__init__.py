"""The replay producer: reads the trips of a month and sends them in event time."""
