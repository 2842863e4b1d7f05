"""The command line, the embedded stack, and the checks: imports all parts, imported by none."""
