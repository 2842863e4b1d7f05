"""What `--json` prints: the schema of each document, and how documents are made from a run."""
