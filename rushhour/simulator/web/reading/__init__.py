"""What the pages read of a run: its facts, an hour of all zones, the past of a zone and the city.

Each module reads Redis and returns what is sent as JSON: plain lists and dictionaries, times in
epoch milliseconds, None where a figure is not known.
"""
