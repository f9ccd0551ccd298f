"""The files in deploy/ ask for what camd tells, and fit each other."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from camd.capture.health import State
from tests.fakes_camera import FakeDaemon

DEPLOY = Path(__file__).parents[1] / "deploy"

DASHBOARD: dict[str, Any] = json.loads((DEPLOY / "grafana.json").read_text())
RULES: list[dict[str, Any]] = yaml.safe_load((DEPLOY / "alerts.yml").read_text())[
    "groups"
][0]["rules"]

STATES = re.compile(r'state=~?"([a-z|]+)"')
REASONS = re.compile(r'reason=~?"([a-z| ]+)"')


def dashboard_expressions() -> Iterator[str]:
    """Everything that the dashboard asks Prometheus."""
    for panel in DASHBOARD["panels"]:
        yield from (target["expr"] for target in panel["targets"])
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["query"]["query"]


EXPRESSIONS = [*dashboard_expressions(), *(rule["expr"] for rule in RULES)]


@pytest.fixture(scope="module")
def series() -> dict[str, set[str]]:
    """The names of the series that camd tells, and the labels of each."""
    house = FakeDaemon()
    house.ask("/api/robot/stream")
    house.environment.run(1)
    # As of a camera that comes from another camd.
    house.camera.pipeline.capture.upstream("live", None)
    told = house.ask("/metrics").raw.decode()
    return {
        sample.name: set(sample.labels)
        for family in text_string_to_metric_families(told)
        for sample in family.samples
    }


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_what_is_asked_for_is_told(expression, series):
    """Each metric in the dashboard and in the alert rules is one that camd has."""
    names = set(re.findall(r"\b(?:camd|process|python)_[a-z_]+\b", expression))
    assert names <= set(series)
    assert names or 'up{job="camd"}' in expression


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_labels_are_told(expression, series):
    """Each label that a metric is chosen by is one that it has, or Prometheus' own."""
    for name, chosen in re.findall(r"(\w+)\{([^}]*)\}", expression):
        labels = set(re.findall(r"(\w+)=~?\"", chosen)) - {"job", "instance"}
        assert labels <= series.get(name, set())


@pytest.mark.parametrize(
    ("pattern", "metric"),
    [(STATES, "camd_camera_state"), (REASONS, "camd_viewers_aborted_total")],
)
def test_states_and_reasons_exist(pattern, metric):
    """The states and the reasons that are asked for are among those there are."""
    told = FakeDaemon().ask("/metrics").raw.decode()
    asked = {
        word
        for expression in EXPRESSIONS
        for words in pattern.findall(expression)
        for word in words.split("|")
    }
    values = re.findall(rf'^{metric}\{{.*(?:state|reason)="([^"]+)"', told, re.M)
    assert asked
    assert asked <= set(values)


def test_the_dashboard_asks_one_prometheus():
    """Its panels all ask the one that is chosen when it is imported."""
    (variable,) = (
        v for v in DASHBOARD["templating"]["list"] if v["type"] == "datasource"
    )
    assert (variable["name"], variable["query"]) == ("datasource", "prometheus")
    for panel in DASHBOARD["panels"]:
        for asks in (panel, *panel["targets"]):
            assert asks["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


def test_the_dashboard_is_laid_out():
    """No two panels have the same number or overlap, and none is too wide."""
    panels = DASHBOARD["panels"]
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not cells & taken
        assert at["x"] + at["w"] <= 24
        taken |= cells
    assert len({panel["id"] for panel in panels}) == len(panels)


def test_every_state_has_its_colour():
    """The state timeline knows each state that a camera can be in."""
    (panel,) = (p for p in DASHBOARD["panels"] if p["type"] == "state-timeline")
    shown = {
        entry["text"]
        for mapping in panel["fieldConfig"]["defaults"]["mappings"]
        for entry in mapping["options"].values()
    }
    assert shown == {state.value for state in State}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_says_what_it_means(rule):
    """Each has a severity, one line, and what may be the reason."""
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert set(rule["annotations"]) == {"summary", "description"}
    assert rule["annotations"]["description"].endswith(".")


def test_every_alert_is_tested():
    """Each alert's name stands in the tests that promtool runs."""
    tests = (DEPLOY / "alerts_test.yml").read_text()
    assert [rule["alert"] for rule in RULES if rule["alert"] not in tests] == []


def test_prometheus_brings_a_key():
    """The example asks with a Bearer key from a file, not one that stands in it."""
    (job,) = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())["scrape_configs"]
    assert job["job_name"] == "camd"
    assert set(job["authorization"]) == {"credentials_file"}


# ---- The containers

_COMPOSE = (DEPLOY / "compose.yaml").read_text()

# What can be turned on begins right behind the mark, or is indented below such a line.
_WHOLE = re.sub(r"(?m)^( *)#((?:  )?[a-z_]+:)", r"\1\2", _COMPOSE)

DOCKERFILE = (DEPLOY / "Dockerfile").read_text()


@pytest.fixture(params=[_COMPOSE, _WHOLE], ids=["as it is", "all turned on"])
def compose(request: pytest.FixtureRequest) -> dict[str, Any]:
    """What the compose file says."""
    content: dict[str, Any] = yaml.safe_load(request.param)
    return content


def mounts(service: dict[str, Any]) -> dict[str, str]:
    """Path in the container -> what of this machine is there, or which volume."""
    pairs = (volume.split(":") for volume in service["volumes"])
    return {target: source for source, target, *_ in pairs}


def told_prometheus() -> dict[str, Any]:
    """The one job of prometheus.yml."""
    (job,) = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())["scrape_configs"]
    return dict(job)


def test_what_can_be_turned_on():
    """It is camera and dashboard."""
    whole = yaml.safe_load(_WHOLE)
    assert set(whole["services"]) == {"camd", "prometheus", "grafana"}
    assert whole["services"]["camd"]["devices"] == ["/dev/video0"]
    assert set(yaml.safe_load(_COMPOSE)["services"]) == {"camd", "prometheus"}


def test_the_image_is_built_from_the_dockerfile(compose):
    """Its context is the project, for the Dockerfile copies it."""
    build = compose["services"]["camd"]["build"]
    context = (DEPLOY / build["context"]).resolve()
    assert (context / "setup.cfg").exists()
    assert context / build["dockerfile"] == DEPLOY / "Dockerfile"


def test_one_port_everywhere(compose):
    """Where camd listens is opened, asked for its health, and asked by Prometheus."""
    (published,) = compose["services"]["camd"]["ports"]
    outside, _, inside = published.rpartition(":")
    (target,) = told_prometheus()["static_configs"][0]["targets"]
    assert target == outside
    assert re.findall(r"^EXPOSE (\d+)$", DOCKERFILE, re.M) == [inside]
    assert re.findall(r" CAMD_LISTEN=tcp:(\d+)$", DOCKERFILE, re.M) == [inside]
    assert f"http://127.0.0.1:{inside}/healthz" in DOCKERFILE
    assert compose["services"]["prometheus"]["network_mode"] == "host"


def test_nothing_is_opened_to_everybody(compose):
    """Each port is of this machine only."""
    services = compose["services"]
    for service in services.values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
    listen = "--web.listen-address=127.0.0.1:9090"
    assert listen in services["prometheus"]["command"]
    if grafana := services.get("grafana"):
        assert grafana["environment"] == {"GF_SERVER_HTTP_ADDR": "127.0.0.1"}


def test_camd_finds_its_settings(compose):
    """They are where the image's command looks for them."""
    (path,) = re.findall(r'^CMD \["-c", "(.+)"\]$', DOCKERFILE, re.M)
    assert mounts(compose["services"]["camd"]) == {path: "../camd.yaml"}
    assert (DEPLOY / "../camd.yaml").exists()


def test_prometheus_finds_its_files(compose):
    """Its settings, the rules that they name, and the key are where it looks."""
    service = compose["services"]["prometheus"]
    found = mounts(service)
    (path,) = (c[14:] for c in service["command"] if c.startswith("--config.file="))
    assert found[path] == "./prometheus.yml"
    settings = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())
    for rules in settings["rule_files"]:
        assert found[str(Path(path).parent / rules)] == f"./{rules}"
        assert (DEPLOY / rules).exists()
    (secret,) = service["secrets"]
    assert secret["target"] == told_prometheus()["authorization"]["credentials_file"]


def test_volumes_and_secrets_are_declared(compose):
    """Compose takes no name that stands nowhere else."""
    services = compose["services"].values()
    sources = [s for service in services for s in mounts(service).values()]
    assert {s for s in sources if "/" not in s} == set(compose["volumes"])
    named = [secret["source"] for s in services for secret in s.get("secrets", ())]
    assert named == list(compose["secrets"])


def test_the_key_stays_here(compose):
    """Neither git nor an image nor a source archive takes it in."""
    (secret,) = compose["secrets"].values()
    key = str((DEPLOY / secret["file"]).relative_to(DEPLOY.parent))
    for name in (".gitignore", ".dockerignore"):
        assert key in (DEPLOY.parent / name).read_text().splitlines()
    manifest = (DEPLOY.parent / "MANIFEST.in").read_text().splitlines()
    assert f"exclude {key}" in manifest


def test_who_waits_for_whom(compose):
    """Prometheus waits for camd's health, which the image has a check for."""
    waits = compose["services"]["prometheus"]["depends_on"]
    assert waits == {"camd": {"condition": "service_healthy"}}
    assert "healthcheck" not in compose["services"]["camd"]
    assert re.search(r"^HEALTHCHECK ", DOCKERFILE, re.M)


# ---- The documentation
def test_the_unit_leaves_the_metrics_alone():
    """It hides nothing of /proc that Prometheus' client reads the process from."""
    unit = (DEPLOY / "camd.service").read_text()
    assert "\nProtectProc=invisible\n" in unit
    assert not re.search(r"^ProcSubset=pid", unit, re.M)


def documentation() -> str:
    """All that the documentation says of operating camd."""
    found = sorted((DEPLOY.parent / "docs").glob("operations*.md"))
    return "\n".join(path.read_text() for path in found)


def test_the_documentation_names_the_metrics(series):
    """Its table names every metric of camd, and none that there is not."""
    named = set(re.findall(r"^\| `(camd_\w+)` \|", documentation(), re.M))
    suffix = re.compile("_(bucket|count|sum)$")
    assert named == {suffix.sub("", name) for name in series if "camd_" in name}


def test_the_documentation_names_the_alerts():
    """Its table names every alert, with its severity."""
    named = re.findall(r"^\| `(Camd\w+)` \| (\w+) \|", documentation(), re.M)
    assert dict(named) == {r["alert"]: r["labels"]["severity"] for r in RULES}
