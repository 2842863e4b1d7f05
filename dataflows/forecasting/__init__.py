"""Features, forecasters, their mixture, intervals and drift. Independent of any stream."""
