"""PySpark Structured Streaming: everything on the topic as one run of micro-batches.

https://spark.apache.org/docs/latest/streaming/structured-streaming-kafka-integration.html
https://spark.apache.org/docs/latest/streaming/apis-on-dataframes-and-datasets.html: watermark,
append mode, `availableNow`.
https://spark.apache.org/docs/latest/sql-performance-tuning.html: `spark.sql.shuffle.partitions`,
whose default of 200 is for a cluster.

All columns stay in the JVM: there is no Python function for each row.
"""

import os

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from benchmarks.peers.work import PARTITIONS, Counts, Work


def main() -> None:
    """Count."""
    work = Work.from_environment()
    counts: Counts = {}
    spark = (
        SparkSession.builder.master("local[*]")
        .config("spark.jars", os.environ["BENCH_JARS"])
        .config("spark.ui.enabled", "false")
        .config("spark.local.dir", work.scratch)
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.shuffle.partitions", str(PARTITIONS))
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("ERROR")
    messages = (
        spark.readStream.format("kafka")
        .option("kafka.bootstrap.servers", work.bootstrap)
        .option("subscribe", work.topic)
        .option("startingOffsets", "earliest")
        .load()
    )
    schema = "pickup_ts LONG, pickup_location_id INT"
    trip = F.from_json(F.col("value").cast("string"), schema).alias("trip")
    windows = (
        messages.select(trip)
        .select(F.timestamp_millis("trip.pickup_ts").alias("pickup"), "trip.pickup_location_id")
        .withWatermark("pickup", "0 seconds")
        .groupBy(F.window("pickup", "1 hour"), "pickup_location_id")
        .count()
    )

    def keep(batch: DataFrame, _number: int) -> None:
        columns = ("pickup_location_id", "unix_millis(window.start)", "count")
        for zone, hour, trips in batch.selectExpr(*columns).collect():
            counts[zone, hour] = trips

    query = (
        windows.writeStream.outputMode("append")
        .option("checkpointLocation", os.path.join(work.scratch, "checkpoint"))
        .trigger(availableNow=True)
        .foreachBatch(keep)
        .start()
    )
    query.awaitTermination()
    spark.stop()
    work.hand_in(counts)


if __name__ == "__main__":
    main()
