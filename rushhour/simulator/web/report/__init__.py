"""A finished run as one file to send to someone: the pages' own charts and map, and the figures."""
