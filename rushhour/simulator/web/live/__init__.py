"""The live part of the pages: one reader of Redis, and a mailbox for each page that is open."""
