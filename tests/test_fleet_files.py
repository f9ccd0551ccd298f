"""What deploy/ has for a fleet fits camd, the documentation, and itself."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from camd.config import load
from camd.config.redis import RedisAddress
from camd.config.settings import Settings
from tests.fakes_camera import FakeDaemon

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
K8S = DEPLOY / "k8s"

KUSTOMIZATION: dict[str, Any] = yaml.safe_load((K8S / "kustomization.yaml").read_text())


def objects() -> list[dict[str, Any]]:
    """All objects that Kubernetes is told of."""
    return [
        each
        for name in KUSTOMIZATION["resources"]
        for each in yaml.safe_load_all((K8S / name).read_text())
    ]


def the(kind: str, name: str) -> dict[str, Any]:
    """The object of this kind and name."""
    (found,) = (
        o for o in objects() if (o["kind"], o["metadata"]["name"]) == (kind, name)
    )
    return found


def edge() -> dict[str, Any]:
    """The pod of an edge."""
    spec: dict[str, Any] = the("Deployment", "edge")["spec"]["template"]["spec"]
    return spec


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the folder in which the secrets were made."""
    folder = tmp_path_factory.mktemp("made") / "k8s"
    shutil.copytree(K8S, folder, ignore=shutil.ignore_patterns("secrets"))
    subprocess.run(["sh", "secrets.sh"], cwd=folder, check=True, capture_output=True)
    return folder


def edge_settings(folder: Path) -> Settings:
    """The settings of an edge, as they are in its pod."""
    (container,) = edge()["containers"]
    environ = {
        each["name"]: each["value"].replace("/run/secrets/camd", f"{folder}/secrets")
        for each in container["env"]
    }
    return load(folder / "camd.yaml", environ).settings


def test_an_edge_starts(made: Path) -> None:
    """Its settings load, with the secrets that are mounted."""
    settings = edge_settings(made)
    assert set(settings.api_keys) == {"prometheus", "wall"}
    assert settings.signing_key is not None
    assert settings.cameras == {}
    address = RedisAddress.parse(settings.cameras_from)
    assert (address.user, address.service) == ("camd", "camd")
    ((host, port),) = address.hosts
    (sentinel,) = the("Service", "valkey-sentinel")["spec"]["ports"]
    assert (host, port) == ("valkey-sentinel", sentinel["port"])


def test_the_passwords_fit(made: Path) -> None:
    """Whoever signs in at Valkey has the password that it knows."""
    secrets = made / "secrets"
    users = dict(
        re.findall(r"^user (\w+) on >(\w+)", (secrets / "users.acl").read_text(), re.M)
    )
    assert set(users) == {"camd", "replica", "sentinel"}
    assert (
        RedisAddress.parse(edge_settings(made).cameras_from).password == users["camd"]
    )
    assert f"masterauth {users['replica']}\n" in (secrets / "replica.conf").read_text()
    sentinel = (secrets / "sentinel.conf").read_text()
    assert f"auth-pass camd {users['sentinel']}\n" in sentinel
    assert len(set(users.values())) == 3


def test_the_secrets_are_kept(made: Path) -> None:
    """A second run changes none, others may not read them, git does not see them."""
    files = {path: path.read_text() for path in (made / "secrets").iterdir()}
    subprocess.run(["sh", "secrets.sh"], cwd=made, check=True, capture_output=True)
    assert {path: path.read_text() for path in (made / "secrets").iterdir()} == files
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert "/deploy/k8s/secrets/" in (ROOT / ".gitignore").read_text().splitlines()
    assert "deploy/k8s/secrets" in (ROOT / ".dockerignore").read_text().splitlines()
    assert "prune deploy/k8s/secrets" in (ROOT / "MANIFEST.in").read_text()


def test_every_file_is_there(made: Path) -> None:
    """Each one that is named is there, be it shipped or made."""
    named = list(KUSTOMIZATION["resources"])
    for kind in ("configMapGenerator", "secretGenerator"):
        named += [name for each in KUSTOMIZATION[kind] for name in each["files"]]
    assert [name for name in named if not (made / name).exists()] == []


def test_kustomize_builds_it(made: Path) -> None:
    """All names lead somewhere, by kustomize's own word."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("there is no kubectl here")
    done = subprocess.run(
        [kubectl, "kustomize", str(made)], capture_output=True, text=True, check=True
    )
    built = list(yaml.safe_load_all(done.stdout))
    assert len(built) == len(objects()) + 3
    (deployment,) = (
        o for o in built if (o["kind"], o["metadata"]["name"]) == ("Deployment", "edge")
    )
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "registry.example/camd:0.1"


def test_an_edge_is_drained(made: Path) -> None:
    """Kubernetes waits until no balancer sends anybody, and for camd's own end."""
    (container,) = edge()["containers"]
    sleep = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    drain = edge_settings(made).drain_seconds
    assert drain
    assert edge()["terminationGracePeriodSeconds"] >= sleep + drain + 10
    assert container["readinessProbe"]["httpGet"]["path"] == "/healthz"


def test_its_port_is_one_everywhere() -> None:
    """The service leads to the port that camd listens on."""
    (container,) = edge()["containers"]
    (port,) = container["ports"]
    listen = {each["name"]: each["value"] for each in container["env"]}["CAMD_LISTEN"]
    assert listen == f"tcp:{port['containerPort']}"
    annotations = the("Deployment", "edge")["spec"]["template"]["metadata"][
        "annotations"
    ]
    assert annotations["prometheus.io/port"] == str(port["containerPort"])
    (served,) = the("Service", "edge")["spec"]["ports"]
    assert served["targetPort"] == port["name"]


def test_what_decides_how_many_edges_there_are() -> None:
    """It is a metric that camd tells, through the adapter's rule."""
    pods = the("HorizontalPodAutoscaler", "edge")["spec"]["metrics"][0]["pods"]
    adapter = yaml.safe_load((K8S / "prometheus-adapter.yaml").read_text())
    (rule,) = adapter["rules"]["custom"]
    assert pods["metric"]["name"] == rule["name"]["as"]
    (series,) = re.findall(r"^(\w+){", rule["seriesQuery"])
    house = FakeDaemon()
    house.ask("/api/robot/stream")
    house.environment.run(1)
    assert f"\n{series}{{" in house.ask("/metrics").raw.decode()


def test_labels_fit() -> None:
    """Whatever chooses pods chooses some."""
    labels = the("Deployment", "edge")["spec"]["template"]["metadata"]["labels"]
    chosen = [
        the("Service", "edge")["spec"]["selector"],
        the("PodDisruptionBudget", "edge")["spec"]["selector"]["matchLabels"],
    ]
    assert chosen == [labels, labels]


def test_camd_may_do_in_redis_what_it_does() -> None:
    """The rights of its user are those that the documentation names."""
    documented = re.search(
        r"user camd on >PASSWORD (.*)", (ROOT / "docs/scaling.md").read_text()
    )
    made = re.search(r"user camd on >\$camd (.*)", (K8S / "secrets.sh").read_text())
    assert documented and made
    assert documented[1] == made[1]
    rights = set(re.findall(r"\+(\w+)", made[1]))
    code = "".join(path.read_text() for path in ROOT.glob("camd/**/*.py"))
    for right in rights - {"hget"}:
        assert re.search(rf'b?"{right.upper()}"', code), right


COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose-fleet.yaml").read_text())


def test_the_composed_fleet_starts(tmp_path: Path) -> None:
    """The settings of origin and edge load, and lead to the same server."""
    services = COMPOSE["services"]
    origin = load(ROOT / "camd.yaml", services["origin"]["environment"]).settings
    path = tmp_path / "edge.yaml"
    path.write_text(COMPOSE["configs"]["edge"]["content"])
    edge = load(path, services["edge"]["environment"]).settings
    assert origin.publish == edge.cameras_from
    ((host, _),) = RedisAddress.parse(edge.cameras_from).hosts
    assert host in services
    assert origin.signing_key == edge.signing_key
    assert list(origin.cameras) == ["robot"]


def test_the_composed_fleet_is_for_this_machine() -> None:
    """One port is open, to nobody else."""
    ports = [p for s in COMPOSE["services"].values() for p in s.get("ports", ())]
    assert ports == ["127.0.0.1:8080:80"]
    (mounted,) = COMPOSE["services"]["haproxy"]["volumes"]
    assert (DEPLOY / mounted.split(":")[0]).exists()


def test_a_server_of_the_composed_fleet_writes_nothing() -> None:
    """It may write nowhere."""
    assert COMPOSE["services"]["valkey"]["read_only"]
    assert json.dumps(COMPOSE["services"]["valkey"]["command"]).count('"--save", ""')
