"""What lies in Redis: how runs, clocks and the tables of each hour are read and written."""
