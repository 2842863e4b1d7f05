"""Features, forecasters, their mixture, intervals and drift. Independent of any stream."""

from dataflows.forecasting.lazy_packages import defer

# Before any module of River is imported. What is needed of it is a few light modules.
defer("river.linear_model", "river.proba")
