"""The running processes: servers, pipeline, session, and the setup of a run."""
