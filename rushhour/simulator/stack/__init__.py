"""The processes of a run: servers, pipeline, session, and the setup of Kafka and Redis."""
