"""What Redis holds: how runs, the clock and the tables of each hour are read and written."""
