"""One module per contender, run as `python -m`. Each names the pages that it follows."""
