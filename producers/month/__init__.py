"""The trips of one month: found, downloaded, read, made up, and multiplied by surges."""
