"""How good forecasts are: the definitions of every score of the project. Pure NumPy."""
