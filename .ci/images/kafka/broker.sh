#!/usr/bin/env bash
# Apache Kafka from Maven artifacts, as a host process: one KRaft node, no container.
#   broker.sh resolve             jars into $KAFKA_LIB (needs Maven Central; once)
#   broker.sh start | stop | status
#   broker.sh lib                 say where the jars are
# env: KAFKA_LIB KAFKA_DATA KAFKA_PORT KAFKA_CONTROLLER_PORT KAFKA_HEAP
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
lib=${KAFKA_LIB:-$HOME/.cache/kafka-4.3.1}
data=${KAFKA_DATA:-${TMPDIR:-/tmp}/kafka-data}
port=${KAFKA_PORT:-9092}
controller=${KAFKA_CONTROLLER_PORT:-9093}
need() { command -v "$1" >/dev/null || { echo "broker.sh: no $1 here: install Debian's $2" >&2; exit 69; }; }
listening() { (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; }
running() { kill -0 "$(cat "$data/pid" 2>/dev/null)" 2>/dev/null; }
options=("-Xmx${KAFKA_HEAP:-512m}" "-Dlog4j2.configurationFile=$here/log4j2.yaml" -cp "$lib/*")

case "${1:-}" in
  lib) echo "$lib" ;;
  resolve)
    [ -e "$lib/.complete" ] && exit 0
    need java openjdk-17-jdk-headless; need mvn maven
    mvn -B -q -f "$here/pom.xml" dependency:copy-dependencies -DincludeScope=runtime "-DoutputDirectory=$lib" >&2
    touch "$lib/.complete" ;;
  start)
    need java openjdk-17-jre-headless
    listening && { echo "broker.sh: port $port is taken" >&2; exit 3; }
    mkdir -p "$data"
    cat > "$data/server.properties" <<P
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller
advertised.listeners=PLAINTEXT://127.0.0.1:$port
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
controller.listener.names=CONTROLLER
log.dirs=$data/logs
num.partitions=4
group.initial.rebalance.delay.ms=0
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
P
    java "${options[@]}" kafka.tools.StorageTool format --ignore-formatted \
      -t 5L6g3nShT-eMCtK--X86sw -c "$data/server.properties" >"$data/format.log" 2>&1 || { cat "$data/format.log" >&2; exit 4; }
    java -Dlevel=INFO "${options[@]}" kafka.Kafka "$data/server.properties" >"$data/kafka.log" 2>&1 </dev/null &
    echo $! > "$data/pid"
    # Kafka opens the port only when it serves requests
    for _ in $(seq 240); do
      listening && { echo "Kafka on 127.0.0.1:$port"; exit 0; }
      running || break
      sleep 0.25
    done
    tail -30 "$data/kafka.log" >&2; exit 5 ;;
  stop)
    running || exit 0
    kill "$(cat "$data/pid")"
    # wait: a start right after must find the port free and the storage unlocked
    for _ in $(seq 240); do running || { rm "$data/pid"; exit 0; }; sleep 0.25; done
    echo "broker.sh: Kafka does not stop" >&2; exit 6 ;;
  status) listening && echo up ;;
  *) sed -n 2,6p "$0"; exit 64 ;;
esac
