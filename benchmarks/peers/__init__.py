"""`make bench`: the same count of trips by several stream processors, on one broker."""
