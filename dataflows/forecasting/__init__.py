"""The forecasts: features, forecasters, mixture, intervals and drift. Knows no stream."""
