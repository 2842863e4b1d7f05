"""The manifests of deploy/kubernetes: valid for Kubernetes, and consistent with the project."""

import os
import tomllib
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from rushhour.core.settings import PREFIX, Settings

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "deploy" / "kubernetes"
KUSTOMIZATION = FOLDER / "kustomization.yaml"
# The oldest version that labels pods with their index, and the newest that the validator knows.
VERSIONS = ("1.28", kubernetes_validate.latest_version().removesuffix(".0"))
PROCESSES = ("producer", "dataflow", "consumer")

Document = dict[str, Any]


def load(file: Path) -> list[Document]:
    return list(yaml.safe_load_all(file.read_text(encoding="utf-8")))


FILES = sorted(set(FOLDER.glob("*.yaml")) - {KUSTOMIZATION})
DOCUMENTS = [document for file in FILES for document in load(file)]


def named(kind: str) -> dict[str, Document]:
    return {item["metadata"]["name"]: item for item in DOCUMENTS if item["kind"] == kind}


SETS = named("StatefulSet")
SERVICES = named("Service")
SETTINGS = named("ConfigMap")["rushhour-settings"]["data"]
PODS = {name: item["spec"]["template"]["spec"] for name, item in SETS.items()}


def containers(pod: Document) -> list[Document]:
    return [*pod.get("initContainers", []), *pod["containers"]]


CONTAINERS = {
    f"{name}/{container['name']}": (SETS[name]["spec"], container)
    for name, pod in PODS.items()
    for container in containers(pod)
}
each_set = pytest.mark.parametrize("name", SETS)
each_container = pytest.mark.parametrize(("spec", "container"), CONTAINERS.values(), ids=CONTAINERS)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "document", DOCUMENTS, ids=lambda item: f"{item['kind']}-{item['metadata']['name']}"
)
def test_a_document_fits_the_schema_and_has_no_unknown_field(
    document: Document, version: str
) -> None:
    assert kubernetes_validate.validate(document, version, strict=True) == version


def test_the_kustomization_names_every_manifest() -> None:
    (kustomization,) = load(KUSTOMIZATION)
    assert sorted(kustomization["resources"]) == [file.name for file in FILES]
    assert [kustomization["namespace"]] == list(named("Namespace"))


def test_every_process_and_server_has_a_set() -> None:
    servers = {"rushhour-kafka", "rushhour-redis", "rushhour-web"}
    assert set(SETS) == servers | {f"rushhour-{process}" for process in PROCESSES}


def test_every_setting_exists_and_has_a_valid_value(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    known = {Settings.env_name(field) for field in Settings.model_fields}
    assert set(SETTINGS) - known == set()
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    Settings.load()


@each_container
def test_variables_of_rushhour_are_settings(spec: Document, container: Document) -> None:
    known = {Settings.env_name(field) for field in Settings.model_fields}
    names = {item["name"] for item in container.get("env", [])}
    assert {name for name in names if name.startswith(PREFIX)} - known == set()
    sources = [item["configMapRef"]["name"] for item in container.get("envFrom", [])]
    assert set(sources) <= set(named("ConfigMap"))


def test_every_dataflow_process_has_its_address() -> None:
    spec = SETS["rushhour-dataflow"]["spec"]
    assert str(spec["replicas"]) == SETTINGS["RUSHHOUR_DATAFLOWS"]
    assert spec["replicas"] <= int(SETTINGS["RUSHHOUR_PARTITIONS"])  # each has one to read
    port = ports(spec)["cluster"]
    assert SETTINGS["RUSHHOUR_ADDRESSES"].split(",") == [
        f"rushhour-dataflow-{index}.{spec['serviceName']}:{port}"
        for index in range(spec["replicas"])
    ]


def test_the_number_of_consumers_is_that_of_the_run() -> None:
    replicas = SETS["rushhour-consumer"]["spec"]["replicas"]
    assert str(replicas) == SETTINGS["RUSHHOUR_CONSUMERS"]


@pytest.mark.parametrize("process", ["dataflow", "consumer"])
def test_a_process_takes_its_number_from_its_pod(process: str) -> None:
    (container,) = PODS[f"rushhour-{process}"]["containers"]
    field = "metadata.labels['apps.kubernetes.io/pod-index']"
    assert {
        "name": Settings.env_name("process"),
        "valueFrom": {"fieldRef": {"fieldPath": field}},
    } in container["env"]


@pytest.mark.parametrize(("setting", "name"), [("KAFKA", "kafka"), ("REDIS", "redis")])
def test_the_addresses_of_servers_are_those_of_their_services(setting: str, name: str) -> None:
    service = f"rushhour-{name}"
    (port,) = SERVICES[service]["spec"]["ports"]
    address = SETTINGS[PREFIX + setting].rpartition("/")[2]
    assert address == f"{service}:{port['port']}"


def test_kafka_advertises_the_address_of_its_service() -> None:
    spec = SETS["rushhour-kafka"]["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    env = {item["name"]: item["value"] for item in container["env"]}
    address = f"rushhour-kafka-0.{spec['serviceName']}:{ports(spec)['kafka']}"
    assert env["KAFKA_ADVERTISED_LISTENERS"] == f"PLAINTEXT://{address}"


def ports(spec: Document) -> dict[str, int]:
    return {
        port["name"]: port["containerPort"]
        for container in spec["template"]["spec"]["containers"]
        for port in container.get("ports", [])
    }


@each_set
def test_a_set_and_its_service_select_its_pods_and_no_others(name: str) -> None:
    spec = SETS[name]["spec"]
    service = SERVICES[spec["serviceName"]]["spec"]
    assert service["clusterIP"] == "None"  # each pod needs a name of its own
    for selector in (spec["selector"]["matchLabels"], service["selector"]):
        selected = [
            other
            for other, item in SETS.items()
            if selector.items() <= item["spec"]["template"]["metadata"]["labels"].items()
        ]
        assert selected == [name]


@each_set
def test_every_named_port_exists(name: str) -> None:
    spec = SETS[name]["spec"]
    known = ports(spec)
    for port in SERVICES[spec["serviceName"]]["spec"]["ports"]:
        assert known[port["targetPort"]] == port["port"]
    for container in spec["template"]["spec"]["containers"]:
        for probe in (container["readinessProbe"], container["livenessProbe"]):
            target = probe.get("httpGet") or probe.get("tcpSocket")
            assert target is None or target["port"] in known


@pytest.mark.parametrize("process", PROCESSES)
def test_metrics_are_served_on_the_annotated_port(process: str) -> None:
    spec = SETS[f"rushhour-{process}"]["spec"]
    annotations = spec["template"]["metadata"]["annotations"]
    assert annotations["prometheus.io/scrape"] == "true"
    assert annotations["prometheus.io/port"] == SETTINGS["RUSHHOUR_METRICS_PORT"]
    assert str(ports(spec)["metrics"]) == SETTINGS["RUSHHOUR_METRICS_PORT"]
    (container,) = spec["template"]["spec"]["containers"]
    assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "metrics"}
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "metrics"}


@each_container
def test_every_mount_has_its_volume(spec: Document, container: Document) -> None:
    volumes = {volume["name"] for volume in spec["template"]["spec"].get("volumes", [])}
    volumes |= {claim["metadata"]["name"] for claim in spec.get("volumeClaimTemplates", [])}
    assert {mount["name"] for mount in container["volumeMounts"]} <= volumes


@pytest.mark.parametrize(
    ("name", "setting"),
    [("rushhour-producer", "RUSHHOUR_CACHE_DIR"), ("rushhour-dataflow", "RUSHHOUR_RECOVERY_DIR")],
)
def test_data_that_must_outlive_a_pod_is_on_a_claim(name: str, setting: str) -> None:
    spec = SETS[name]["spec"]
    (claim,) = spec["volumeClaimTemplates"]
    (container,) = PODS[name]["containers"]
    mount = {"name": claim["metadata"]["name"], "mountPath": SETTINGS[setting]}
    assert mount in container["volumeMounts"]


@each_container
def test_a_container_meets_the_restricted_pod_security_standard(
    spec: Document, container: Document
) -> None:
    pod = spec["template"]["spec"]
    context = pod["securityContext"]
    assert context["runAsNonRoot"] is True
    assert context["runAsUser"] == context["runAsGroup"] == context["fsGroup"] > 0
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    # Kafka writes its configuration beside its programs.
    writable = not container["securityContext"].get("readOnlyRootFilesystem", False)
    assert writable == (container["name"] == "kafka")
    # A service named rushhour-redis would set RUSHHOUR_REDIS_PORT, which is a setting.
    assert pod["enableServiceLinks"] is False


@each_container
def test_a_container_has_requests_and_limits(spec: Document, container: Document) -> None:
    for kind in ("requests", "limits"):
        assert set(container["resources"][kind]) == {"cpu", "memory"}
    assert container["resources"]["limits"]["cpu"] == "1"


@pytest.mark.parametrize("server", ["kafka", "redis"])
def test_servers_are_those_of_compose(server: str) -> None:
    (compose,) = load(ROOT / "docker-compose.yml")
    (container,) = PODS[f"rushhour-{server}"]["containers"]
    assert container["image"] == compose["services"][server]["image"]


@pytest.mark.parametrize("process", [*PROCESSES, "web"])
def test_processes_run_the_image_of_this_version(process: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for container in containers(PODS[f"rushhour-{process}"]):
        assert container["image"] == f"{project['name']}:{project['version']}"
        assert container["imagePullPolicy"] == "IfNotPresent"


# Who may connect to which pod.


def matches(selector: Document, labels: Document) -> bool:
    wanted: Document = selector.get("matchLabels", {})
    return wanted.items() <= labels.items()


def labels(name: str) -> Document:
    found: Document = SETS[name]["spec"]["template"]["metadata"]["labels"]
    return found


def may_connect(source: str, target: str, port: str) -> bool:
    """Return whether the policies let pods of one set connect to a named port of another."""
    policies = [item["spec"] for item in named("NetworkPolicy").values()]
    selecting = [spec for spec in policies if matches(spec["podSelector"], labels(target))]
    rules = [rule for spec in selecting for rule in spec["ingress"]]
    return not selecting or any(
        {"port": port} in rule["ports"]
        and (
            "from" not in rule
            or any(matches(peer["podSelector"], labels(source)) for peer in rule["from"])
        )
        for rule in rules
    )


def test_each_port_is_open_to_those_who_need_it_and_to_no_others() -> None:
    processes = {f"rushhour-{process}" for process in PROCESSES}
    readers = processes | {"rushhour-web"}
    allowed = {
        ("rushhour-redis", "redis"): readers,
        ("rushhour-kafka", "kafka"): readers,
        ("rushhour-web", "pages"): set(),  # its port is forwarded
        ("rushhour-dataflow", "cluster"): {"rushhour-dataflow"},
        **{(process, "metrics"): set(SETS) for process in processes},
    }
    found = {
        (target, port): {source for source in SETS if may_connect(source, target, port)}
        for target, item in SETS.items()
        for port in ports(item["spec"])
    }
    assert found == allowed


def test_each_pod_is_selected_by_a_policy_for_incoming_connections() -> None:
    policies = [item["spec"] for item in named("NetworkPolicy").values()]
    assert all("Ingress" in spec["policyTypes"] for spec in policies)
    for name in SETS:
        assert any(matches(spec["podSelector"], labels(name)) for spec in policies), name


def test_no_service_is_open_to_the_outside_of_the_cluster() -> None:
    assert {item["spec"].get("type", "ClusterIP") for item in SERVICES.values()} == {"ClusterIP"}


def test_the_pages_listen_inside_of_their_pod_only() -> None:
    (container,) = PODS["rushhour-web"]["containers"]
    env = {item["name"]: item["value"] for item in container["env"]}
    assert env["RUSHHOUR_WEB_HOST"] == "127.0.0.1"
    assert env["RUSHHOUR_WEB_PORT"] == str(ports(SETS["rushhour-web"]["spec"])["pages"])
    assert f"port-forward rushhour-web-0 {env['RUSHHOUR_WEB_PORT']}" in (
        FOLDER / "web.yaml"
    ).read_text("utf-8")
