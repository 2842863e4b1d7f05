"""How good forecasts are: every score of the project is computed here. Pure NumPy."""
