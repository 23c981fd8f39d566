"""The files under deploy/: they agree with the settings, the command line, the streams and the metrics they speak of.

Nothing is started here. deploy/README.md says which of them were run, and how.
"""

import base64
import re
import shlex
from collections.abc import Iterator, Mapping
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from typer.core import TyperGroup

from consumers.model import STREAMS
from daemon.cli import app
from daemon.feeds_file import parse_feeds
from daemon.log.streams import wanted
from daemon.settings import ROLES, Settings, parse_settings
from daemon.topics_file import parse_topics
from daemon.web.server import is_loopback

CHECKOUT = Path(__file__).parents[1]
DEPLOY = CHECKOUT / "deploy"
COMPOSE = DEPLOY / "compose.kafka.yaml"
KUBERNETES = DEPLOY / "kubernetes"
SETTINGS = DEPLOY / "shared" / "wirewatch.toml"
USER = 10001  # of the image
STOPPED = 10  # seconds within which a process that is told to stop is gone

pytestmark = pytest.mark.skipif(not DEPLOY.is_dir(), reason="the pages are not part of the wheel")


@cache
def compose() -> Mapping[str, Any]:
    return yaml.safe_load(COMPOSE.read_text("utf-8"))


@cache
def manifests() -> list[Mapping[str, Any]]:
    """Every object that kustomization.yaml lists."""
    kustomization = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text("utf-8"))
    texts = [(KUBERNETES / name).read_text("utf-8") for name in kustomization["resources"]]
    return [manifest for text in texts for manifest in yaml.safe_load_all(text)]


def named(kind: str, name: str) -> Mapping[str, Any]:
    (found,) = (one for one in manifests() if one["kind"] == kind and one["metadata"]["name"] == name)
    return found


def shared_settings() -> Settings:
    return parse_settings(SETTINGS.read_text("utf-8"), Path("/etc/wirewatch/wirewatch.toml"))


def kubernetes_settings() -> Settings:
    text = named("ConfigMap", "wirewatch")["data"]["wirewatch.toml"]
    return parse_settings(text, Path("/etc/wirewatch/wirewatch.toml"))


# -- the command line


def accepted(words: list[str]) -> Mapping[str, Any]:
    """The values of the command that ``words`` call; raises for a command or an option that is not there."""
    command: Any = typer.main.get_command(app)
    context: Any = command.make_context("wirewatch", list(words))
    while isinstance(command, TyperGroup):
        name, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        context = command.make_context(name, rest, parent=context)
    return context.params


def test_a_command_that_is_not_there_is_noticed() -> None:
    assert [role.value for role in accepted(["--config", ".", "run", "--role", "fetch"])["role"]] == ["fetch"]
    for wrong in (["run", "--roles", "fetch"], ["run", "--role", "fetsch"], ["runs"], ["topics", "lists"]):
        with pytest.raises(Exception, match=r"(?i)no such|is not one of"):
            accepted(wrong)


def commands(text: str) -> Iterator[str]:
    """Every command line of ours in code, fenced or between single backquotes."""
    fenced = re.findall(r"^```[a-z]*\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    lines = [line for block in fenced for line in block.replace("\\\n", " ").splitlines()]
    inline = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))
    for line in [*lines, *inline]:
        found = re.search(r"(?:^|[\s/])wirewatch (?!\w+@)([a-z-][^#|&;>]*)", line)
        if found and not re.search(r"(psql|systemctl|useradd|kubectl|CREATE|pg_dump|docker build).*wirewatch", line):
            yield found[1].strip().rstrip(".,:")


@pytest.mark.parametrize("page", sorted(path.name for path in DEPLOY.glob("*.md")))
def test_every_command_of_a_page_exists(page: str) -> None:
    lines = list(commands((DEPLOY / page).read_text("utf-8")))
    assert len(lines) > 15
    for line in lines:
        words = [re.sub(r"…|\bID\b|\bNAME\b", "x", word) for word in shlex.split(line)]
        try:
            accepted(words)
        except Exception as error:
            raise AssertionError(f"{page}: wirewatch {line}: {error}") from error


@pytest.mark.parametrize("page", sorted(path.name for path in DEPLOY.glob("*.md")))
def test_every_file_a_page_links_to_exists(page: str) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", (DEPLOY / page).read_text("utf-8"))
    assert links
    assert [link for link in links if not (DEPLOY / link).exists()] == []


# -- compose


def roles_of(words: list[str]) -> list[str]:
    return [role.value for role in accepted(words)["role"]]


def ours() -> Mapping[str, Mapping[str, Any]]:
    return {name: one for name, one in compose()["services"].items() if one["image"] == "wirewatch"}


def test_compose_runs_each_role_once() -> None:
    assert {name: roles_of(one["command"]) for name, one in ours().items()} == {role: [role] for role in ROLES}


def test_the_page_listens_on_loopback_and_the_health_of_others_where_it_can_be_asked() -> None:
    for name, one in ours().items():
        host, _, port = accepted(one["command"])["listen"].rpartition(":")
        assert is_loopback(host) == (name == "web")
        assert f"127.0.0.1:{port}/readyz" in one["healthcheck"]["test"][-1]


def test_compose_publishes_nothing_to_the_network() -> None:
    published = [port for one in compose()["services"].values() for port in one.get("ports", ())]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)
    assert compose()["services"]["proxy"]["network_mode"] == "service:web"
    assert all("network_mode" not in one for one in ours().values())


def test_compose_names_only_what_it_has() -> None:
    described = compose()
    for name, one in described["services"].items():
        assert set(one.get("secrets", ())) <= set(described["secrets"]), name
        for volume in one.get("volumes", ()):
            source = volume.partition(":")[0]
            assert source in described["volumes"] or source in ("./desk", "./Caddyfile"), volume
    assert all(secret["file"].startswith("./secrets/") for secret in described["secrets"].values())
    assert (DEPLOY / ".gitignore").read_text("utf-8").split() == ["desk/", "secrets/"]
    assert (DEPLOY / "Caddyfile").is_file()


def test_no_secret_stands_in_compose_or_in_a_manifest() -> None:
    for one in compose()["services"].values():
        for key, value in one.get("environment", {}).items():
            assert "PASSWORD" not in key or key.endswith("_FILE"), key
            assert "password=" not in value
    assert not [one for one in manifests() if one["kind"] == "Secret"]


def test_our_processes_in_compose_take_no_variables() -> None:
    """Every setting of theirs is in the file, where a wrong name is refused."""
    assert [name for name, one in ours().items() if "environment" in one] == []


def test_the_settings_reach_the_servers_that_compose_runs() -> None:
    settings, services = shared_settings(), compose()["services"]
    assert settings.shared
    broker = settings.log.broker()
    assert broker is not None
    kafka = properties()
    assert broker.servers == (kafka["advertised.listeners"].removeprefix("PLAINTEXT://"),)
    assert broker.servers[0].partition(":")[0] in services
    environment = services["postgres"]["environment"]
    expected = f"postgresql://{environment['POSTGRES_USER']}@postgres:5432/{environment['POSTGRES_DB']}"
    assert settings.store.url == expected
    assert environment["POSTGRES_PASSWORD_FILE"] == str(settings.store.password_file) == "/run/secrets/store-password"
    assert all("store-password" in one["secrets"] for one in ours().values())
    assert str(settings.data.dir) == "/var/lib/wirewatch"
    assert all(str(settings.data.dir) in one["tmpfs"] for one in ours().values())
    published = services["web"]["ports"][0].rpartition(":")[0].rpartition(":")[2]
    assert settings.web.public_url == f"http://localhost:{published}"


def test_postgres_in_compose_takes_two_processes_of_each_role() -> None:
    (limit,) = re.findall(r"max_connections=(\d+)", " ".join(compose()["services"]["postgres"]["command"]))
    assert int(limit) >= 2 * len(ROLES) * shared_settings().store.connections


# -- Kafka in compose


def properties() -> Mapping[str, str]:
    """What the image makes of its variables: KAFKA_LOG_DIRS is log.dirs."""
    environment = compose()["services"]["kafka"]["environment"]
    return {
        key.removeprefix("KAFKA_").lower().replace("_", "."): value
        for key, value in environment.items()
        if key.startswith("KAFKA_") and key != "KAFKA_HEAP_OPTS"
    }


def test_the_cluster_of_compose_can_keep_the_streams_as_they_are_wanted() -> None:
    settings, kafka = shared_settings(), properties()
    nodes = kafka["controller.quorum.voters"].count("@")
    broker = settings.log.broker()
    assert broker is not None
    streams = wanted(STREAMS, settings.stream_plan, broker)
    assert {stream.replication for stream in streams} == {nodes}
    assert all(int(stream.configs["min.insync.replicas"]) <= nodes for stream in streams)
    assert {int(value) for key, value in kafka.items() if key.endswith("replication.factor")} == {nodes}
    assert {int(value) for key, value in kafka.items() if key.endswith(("min.isr", "min.insync.replicas"))} == {nodes}
    assert kafka["auto.create.topics.enable"] == "false"  # else a stream is made with the broker's defaults
    assert kafka["process.roles"] == "broker,controller"


def test_what_kafka_keeps_in_compose_is_on_a_volume() -> None:
    service, kafka = compose()["services"]["kafka"], properties()
    assert f"kafka:{kafka['log.dirs']}" in service["volumes"]
    cluster = service["environment"]["CLUSTER_ID"]
    assert len(base64.urlsafe_b64decode(cluster + "==")) == 16


# -- Kubernetes


def deployments() -> Mapping[str, Mapping[str, Any]]:
    return {one["metadata"]["name"]: one for one in manifests() if one["kind"] == "Deployment"}


def containers(deployment: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    return {one["name"]: one for one in deployment["spec"]["template"]["spec"]["containers"]}


def memory(amount: str) -> Fraction:
    number, unit = re.fullmatch(r"(\d+)(Mi|Gi)", amount).groups()  # type: ignore[union-attr]
    return int(number) * Fraction({"Mi": 2**20, "Gi": 2**30}[unit])


def test_kubernetes_runs_each_role() -> None:
    found = {name: roles_of(containers(one)["wirewatch"]["args"]) for name, one in deployments().items()}
    assert found == {role: [role] for role in ROLES}
    assert deployments()["match"]["spec"]["replicas"] <= kubernetes_settings().log.partitions


def test_kubernetes_lists_every_file_beside_it() -> None:
    kustomization = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text("utf-8"))
    there = {path.name for path in KUBERNETES.iterdir()} - {"kustomization.yaml"}
    assert set(kustomization["resources"]) == there
    assert kustomization["namespace"] == named("Namespace", "wirewatch")["metadata"]["name"]
    images = {one["image"] for deployment in deployments().values() for one in containers(deployment).values()}
    assert {one["name"] for one in kustomization["images"]} == images - {"caddy:2"}


def test_the_configuration_in_kubernetes_is_valid() -> None:
    files, settings = named("ConfigMap", "wirewatch")["data"], kubernetes_settings()
    assert settings.shared
    assert settings.log.tls
    assert parse_topics(files["topics.toml"], Path("topics.toml"), settings.channel.keys())
    assert parse_feeds(files["feeds.toml"], Path("feeds.toml"))


def test_every_secret_that_the_settings_name_is_made_by_the_command_given() -> None:
    text = (
        named("ConfigMap", "wirewatch")["data"]["wirewatch.toml"] + named("ConfigMap", "caddyfile")["data"]["Caddyfile"]
    )
    text = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    named_here = set(re.findall(r"/run/secrets/([\w.-]+)", text))
    made = set(re.findall(r"--from-file=([\w.-]+)", (KUBERNETES / "kustomization.yaml").read_text("utf-8")))
    assert named_here == made
    assert "page-login" in made


@pytest.mark.parametrize("role", ROLES)
def test_a_pod_is_not_root_and_writes_only_where_it_may(role: str) -> None:
    pod = deployments()[role]["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == USER
    assert f"--uid {USER} " in (DEPLOY / "Dockerfile").read_text("utf-8")
    assert f"\nUSER {USER}\n" in (DEPLOY / "Dockerfile").read_text("utf-8")
    for one in containers(deployments()[role]).values():
        assert one["securityContext"]["readOnlyRootFilesystem"] is True
        assert one["securityContext"]["allowPrivilegeEscalation"] is False
        assert one["securityContext"]["capabilities"]["drop"] == ["ALL"]
        assert {mount["name"] for mount in one["volumeMounts"]} <= {volume["name"] for volume in pod["volumes"]}
    mounts = {
        mount["mountPath"]: mount["name"] for mount in containers(deployments()[role])["wirewatch"]["volumeMounts"]
    }
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert "emptyDir" in volumes[mounts[str(kubernetes_settings().data.dir)]]
    assert "emptyDir" in volumes[mounts["/tmp"]]


@pytest.mark.parametrize("role", ROLES)
def test_a_pod_has_time_to_drain_and_is_asked_where_it_answers(role: str) -> None:
    one = containers(deployments()[role])["wirewatch"]
    assert deployments()[role]["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] >= 3 * STOPPED
    asked = {kind: one[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")}
    assert {kind: get["path"] for kind, get in asked.items()} == {
        "startup": "/healthz",
        "liveness": "/healthz",
        "readiness": "/readyz",
    }
    host, _, port = accepted(one["args"])["listen"].rpartition(":")
    assert is_loopback(host) == (role == "web")
    if role == "web":
        assert {str(get["port"]) for get in asked.values()} == {"8471"}  # the proxy's
    else:
        ports = {known["name"]: str(known["containerPort"]) for known in one["ports"]}
        assert {ports[get["port"]] for get in asked.values()} == {port}


def test_a_matcher_and_a_fetcher_have_the_memory_they_take() -> None:
    limits = {
        role: memory(containers(deployments()[role])["wirewatch"]["resources"]["limits"]["memory"]) for role in ROLES
    }
    fetch = kubernetes_settings().fetch
    assert limits["match"] >= 1.5 * 2**30
    assert limits["fetch"] >= fetch.parse_workers * fetch.parse_memory + 256 * 2**20


def test_labels_select_what_they_are_meant_to() -> None:
    templates = {role: one["spec"]["template"]["metadata"]["labels"] for role, one in deployments().items()}
    for role, one in deployments().items():
        assert one["spec"]["selector"]["matchLabels"] == templates[role]
    budgets = {one["metadata"]["name"]: one for one in manifests() if one["kind"] == "PodDisruptionBudget"}
    assert set(budgets) == {"fetch", "match", "alert"}
    for role, budget in budgets.items():
        assert budget["spec"]["selector"]["matchLabels"] == templates[role]
        assert deployments()[role]["spec"]["replicas"] > budget["spec"]["maxUnavailable"]
    service = named("Service", "web")["spec"]
    assert service["selector"] == templates["web"]
    assert {port["targetPort"] for port in service["ports"]} == {
        port["name"] for port in containers(deployments()["web"])["proxy"]["ports"] if port["name"] == "page"
    }


def test_the_proxy_asks_for_a_password_and_is_the_same_everywhere() -> None:
    text = (DEPLOY / "Caddyfile").read_text("utf-8")
    assert named("ConfigMap", "caddyfile")["data"]["Caddyfile"] == text
    sites = dict(re.findall(r"^:(\d+) \{\n(.*?)^\}", text, flags=re.MULTILINE | re.DOTALL))
    assert set(sites) == {"8080", "8471"}
    assert "basic_auth" in sites["8080"]
    assert "@watched path /healthz /readyz /metrics\n\thandle @watched {\n" in sites["8471"]
    page = accepted(ours()["web"]["command"])["listen"]
    assert re.findall(r"reverse_proxy (\S+) \{", text) == [page, page]


# -- systemd


@pytest.mark.parametrize("unit", ["wirewatch.service", "wirewatch@.service"])
def test_a_unit_starts_what_there_is_and_lets_it_drain(unit: str) -> None:
    text = (DEPLOY / "systemd" / unit).read_text("utf-8").replace("$RUN", "--role %i").replace("%i", "fetch")
    (line,) = re.findall(r"^ExecStart=/opt/wirewatch/bin/wirewatch (.*)$", text, flags=re.MULTILINE)
    accepted(line.split())
    (seconds,) = re.findall(r"^TimeoutStopSec=(\d+)$", text, flags=re.MULTILINE)
    assert int(seconds) >= 2 * STOPPED
    for example in re.findall(r"'RUN=(.*)'", text):
        accepted(["run", *example.split()])


# -- Prometheus


def test_prometheus_looks_where_compose_serves() -> None:
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yaml").read_text("utf-8"))
    (job,) = config["scrape_configs"]
    assert job["job_name"] == "wirewatch"  # the rules say so
    (names,) = job["dns_sd_configs"]
    assert names["names"] == list(ours())
    listening = {accepted(one["command"])["listen"] for name, one in ours().items() if name != "web"}
    assert {address.rpartition(":")[2] for address in listening} == {str(names["port"])}
