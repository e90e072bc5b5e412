"""What users begin a cluster with: the files in contrib/cluster say what the program, and each other, understand."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from twisted_pulp.api._application import routes
from twisted_pulp.settings import Settings, read_document

ROOT = Path(__file__).parents[1]
CLUSTER = ROOT / "contrib" / "cluster"
MANIFESTS = sorted((CLUSTER / "kubernetes").glob("*.yaml"))
ROLES = {"api", "worker", "content"}


def documents(path: Path) -> list[Any]:
    """Return the documents in a file of YAML."""
    return [each for each in yaml.safe_load_all(path.read_text()) if each is not None]


def everything(kind: str) -> dict[str, Any]:
    """Return all objects of a kind that the manifests make, by their names."""
    found = [each for path in MANIFESTS for each in documents(path)]
    return {each["metadata"]["name"]: each for each in found if each["kind"] == kind}


def settings_of(text: str) -> Settings:
    """Return the settings that *text* says, in which there must be no mistake."""
    settings, mistakes = read_document(text)
    assert ([], True) == (mistakes, settings is not None)
    assert settings is not None
    return settings


def roles_of(arguments: list[str]) -> set[str]:
    """Return the roles that a command is given."""
    assert ["serve", "--config", "/etc/pulpdownloader/settings.toml"] == arguments[:3]
    assert {"--role"} == set(arguments[3::2])
    return set(arguments[4::2])


def probes(container: dict[str, Any]) -> Iterator[str]:
    """Give the paths at which a container is probed."""
    for name in ("startupProbe", "livenessProbe", "readinessProbe"):
        yield container[name]["httpGet"]["path"]


def test_settings() -> None:
    """The settings are right, and name three shared engines."""
    secret = everything("Secret")["pulpdownloader"]["stringData"]
    for text in ((CLUSTER / "settings.toml").read_text(), secret["settings.toml"]):
        found = settings_of(text)
        assert all((found.database, found.broker, found.storage))
        assert ("tcp:8080",) == found.listen


def test_compose() -> None:
    """Every role is somebody's, what is mounted is there or made, and nginx asks nodes that there are."""
    (compose,) = documents(CLUSTER / "compose.yaml")
    services = compose["services"]
    nodes = {name: each for name, each in services.items() if "--role" in each.get("command", [])}
    assert set.union(*(roles_of(each["command"]) for each in nodes.values())) == ROLES
    for name, each in services.items():
        assert set(each.get("depends_on", [])) <= set(services), name
        for place in each.get("volumes", []):
            source = place.partition(":")[0]
            made = source in compose["volumes"] or source == "./key"
            assert made or (CLUSTER / source).is_file(), (name, source)
    assert all((CLUSTER / each["build"]["context"] / each["build"]["dockerfile"]).is_file() for each in nodes.values())
    assert {"unless-stopped"} == {each["restart"] for name, each in services.items() if name != "prepare"}
    assert (
        "127.0.0.1" in services["postgres"]["healthcheck"]["test"]
    )  # where a server that is not ready does not listen
    asked = re.findall(r"^\s*server (\S+):8080 ", (CLUSTER / "nginx.conf").read_text(), re.MULTILINE)
    assert set(asked) == {name for name, each in nodes.items() if "api" in each["command"]}


def test_extras() -> None:
    """The image has what the URLs of the settings need."""
    wanted = re.search(r"/src\[([\w,]+)\]", (CLUSTER / "Dockerfile").read_text())
    assert wanted
    extras = re.findall(r"^(\w+) =$", (ROOT / "setup.cfg").read_text(), re.MULTILINE)
    assert set(wanted[1].split(",")) <= set(extras)


def test_image() -> None:
    """The image is built from all that an installation is made of; whatever else lies about is not sent."""
    lines = (CLUSTER / "Dockerfile.dockerignore").read_text().splitlines()
    assert "*" == lines[1]
    sent = {line[1:] for line in lines if line.startswith("!")}
    assert all((ROOT / each).exists() for each in sent)
    described = re.findall(r"^long_description = file: (.+)$", (ROOT / "setup.cfg").read_text(), re.MULTILINE)
    assert {"pyproject.toml", "setup.cfg", "twisted", "twisted_pulp", *described} <= sent


def test_kustomization() -> None:
    """All manifests are applied, with the image that all pods have."""
    (made,) = documents(CLUSTER / "kubernetes" / "kustomization.yaml")
    assert {path.name for path in MANIFESTS} == {*made["resources"], "kustomization.yaml"}
    pods = [each["spec"]["template"]["spec"] for each in everything("Deployment").values()]
    used = {each["image"] for pod in pods for each in (*pod["initContainers"], *pod["containers"])}
    assert used == {each["name"] for each in made["images"]}


@pytest.mark.parametrize("role", sorted(ROLES))
def test_deployment(role: str) -> None:
    """Each role is a Deployment: it selects its own pods, is probed where something answers, and may come to an end."""
    made = everything("Deployment")[f"pulpdownloader-{role}"]["spec"]
    pod = made["template"]["spec"]
    assert made["selector"]["matchLabels"] == made["template"]["metadata"]["labels"]
    (container,) = pod["containers"]
    assert {role} == roles_of(container["args"])
    paths = {f"/api/v1{each.path}" for each in routes() if each.scope is None}
    assert set(probes(container)) <= paths
    assert "/api/v1/ready" == container["readinessProbe"]["httpGet"]["path"]
    secret = everything("Secret")["pulpdownloader"]["stringData"]
    pause = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    assert pod["terminationGracePeriodSeconds"] > settings_of(secret["settings.toml"]).limits.grace + pause
    # Restricted, as the standards of Kubernetes have it; and long enough for migrations, before which nobody answers.
    assert pod["securityContext"]["runAsNonRoot"]
    assert "RuntimeDefault" == pod["securityContext"]["seccompProfile"]["type"]
    assert container["startupProbe"]["failureThreshold"] * container["startupProbe"]["periodSeconds"] >= 1800
    volumes = {each["name"] for each in pod["volumes"]}
    for each in (*pod["initContainers"], container):
        assert {mount["name"] for mount in each["volumeMounts"]} <= volumes
        assert (False, ["ALL"]) == (
            each["securityContext"]["allowPrivilegeEscalation"],
            each["securityContext"]["capabilities"]["drop"],
        )
    (data,) = [each["mountPath"] for each in container["volumeMounts"] if each["name"] == "data"]
    entry = re.search(r"ENTRYPOINT \[(.*)\]", (CLUSTER / "Dockerfile").read_text())
    assert entry
    assert f"{data}/data" in entry[1]


def test_references() -> None:
    """Services, budgets, the ingress and what scales name what there is."""
    deployments = everything("Deployment")
    labels = [each["spec"]["template"]["metadata"]["labels"] for each in deployments.values()]
    for each in everything("Service").values():
        assert each["spec"]["selector"] in labels
    for each in everything("PodDisruptionBudget").values():
        assert each["spec"]["selector"]["matchLabels"] in labels
    for each in (*everything("ScaledObject").values(), *everything("HorizontalPodAutoscaler").values()):
        assert each["spec"]["scaleTargetRef"]["name"] in deployments
        assert "replicas" not in deployments[each["spec"]["scaleTargetRef"]["name"]]["spec"]
    backends = re.findall(r"service: \{name: ([\w-]+)", (CLUSTER / "kubernetes" / "ingress.yaml").read_text())
    assert set(backends) == set(everything("Service"))


def test_metrics() -> None:
    """What scales goes by metrics that are documented."""
    text = (CLUSTER / "kubernetes" / "autoscaling.yaml").read_text()
    used = set(re.findall(r"pulpdownloader_\w+", text))
    assert used
    assert used <= set(re.findall(r"`(pulpdownloader_\w+)`", (ROOT / "docs" / "monitoring.md").read_text()))
