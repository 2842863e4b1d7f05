"""What a run has learned, as a file: its objects as arrays and JSON, without pickle."""
