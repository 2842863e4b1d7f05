"""What the features are computed from: past rides, similar days, common directions, usual rides."""
