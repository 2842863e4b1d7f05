"""A run as Parquet files: which tables they hold, and how they come to a directory."""
