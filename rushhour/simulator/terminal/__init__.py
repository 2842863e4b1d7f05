"""What a person reads on a terminal: Rich renderables made from a view of the run."""
