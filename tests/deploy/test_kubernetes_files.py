"""The files for KubeRay. Its CRD schemas are not kept here (700 kB each): the fields used are listed below."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.serve.schema import ServeDeploySchema

import glioray
from glioray.serving.settings import IMPORT_PATH, ServeArgs

ROOT = Path(__file__).parents[2]
RESOURCES = {
    "RayCluster": "jobs/kuberay/raycluster.yaml",
    "RayJob": "jobs/kuberay/rayjob.yaml",
    "RayService": "serve/rayservice.yaml",
}
# Read by hand in KubeRay's Go types (apis/ray/v1), not taken from its schemas: RayClusterSpec, RayJobSpec,
# RayServiceSpec, HeadGroupSpec, WorkerGroupSpec.
CLUSTER = {"rayVersion", "authOptions", "enableInTreeAutoscaling", "autoscalerOptions", "headGroupSpec"}
CLUSTER |= {"workerGroupSpecs"}
JOB = {"entrypoint", "backoffLimit", "shutdownAfterJobFinishes", "ttlSecondsAfterFinished", "submitterPodTemplate"}
JOB |= {"rayClusterSpec"}
SERVICE = {"serveConfigV2", "rayClusterConfig"}
HEAD = {"serviceType", "rayStartParams", "template"}
GROUP = {"groupName", "replicas", "minReplicas", "maxReplicas", "rayStartParams", "template"}
FIELDS = {"RayCluster": CLUSTER, "RayJob": JOB, "RayService": SERVICE}
IMAGE = f"glioray:{glioray.__version__}"


@pytest.fixture(params=RESOURCES)
def resource(request: pytest.FixtureRequest) -> Any:
    return yaml.safe_load((ROOT / RESOURCES[request.param]).read_text())


def cluster_of(resource: Any) -> Any:
    spec = resource["spec"]
    return spec.get("rayClusterSpec") or spec.get("rayClusterConfig") or spec


def pods(resource: Any) -> list[Any]:
    cluster = cluster_of(resource)
    templates = [cluster["headGroupSpec"]["template"], *(group["template"] for group in cluster["workerGroupSpecs"])]
    submitter = resource["spec"].get("submitterPodTemplate")
    return [*templates, submitter] if submitter else templates


def test_kuberay_knows_every_field(resource: Any) -> None:
    cluster = cluster_of(resource)
    assert resource["apiVersion"] == "ray.io/v1"
    assert set(resource["spec"]) <= FIELDS[resource["kind"]]
    assert set(cluster) <= CLUSTER
    assert set(cluster["headGroupSpec"]) <= HEAD
    assert all(set(group) <= GROUP for group in cluster["workerGroupSpecs"])


def test_rays_version_is_the_pinned_one(resource: Any) -> None:
    pins = (ROOT / "constraints.txt").read_text().splitlines()
    assert f"ray=={cluster_of(resource)['rayVersion']}" in pins


def test_every_pod_runs_the_image_of_the_dockerfile_and_not_as_root(resource: Any) -> None:
    for pod in pods(resource):
        assert [container["image"] for container in pod["spec"]["containers"]] == [IMAGE]
        assert pod["spec"]["securityContext"]["runAsNonRoot"]


def test_the_token_is_asked_for_and_comes_from_a_secret_that_is_not_in_the_file(resource: Any) -> None:
    assert cluster_of(resource)["authOptions"] == {"mode": "token", "secretName": "glioray-ray-token"}
    assert "auth_token" not in yaml.safe_dump(resource)


def test_nothing_is_seen_from_outside_of_kubernetes(resource: Any) -> None:
    text = yaml.safe_dump(resource)
    assert cluster_of(resource)["headGroupSpec"]["serviceType"] == "ClusterIP"
    assert not any(word in text for word in ("LoadBalancer", "NodePort", "hostNetwork", "hostPort", "enableIngress"))


def test_every_pod_has_the_label_that_the_network_policy_is_about(resource: Any) -> None:
    base = list(yaml.safe_load_all((ROOT / "jobs/kuberay/base.yaml").read_text()))
    policy = next(document for document in base if document["kind"] == "NetworkPolicy")
    label = policy["spec"]["podSelector"]["matchLabels"]
    assert all(pod["metadata"]["labels"] == label for pod in pods(resource))


def test_the_job_asks_for_as_many_workers_as_its_cluster_has() -> None:
    job = yaml.safe_load((ROOT / RESOURCES["RayJob"]).read_text())["spec"]
    replicas = sum(group["replicas"] for group in job["rayClusterSpec"]["workerGroupSpecs"])
    assert f"scaling.num_workers={replicas} " in job["entrypoint"]


def serve_configs() -> dict[str, Any]:
    service = yaml.safe_load((ROOT / RESOURCES["RayService"]).read_text())
    return {
        "local": yaml.safe_load((ROOT / "serve/local.yaml").read_text()),
        "production": yaml.safe_load((ROOT / "serve/production.yaml").read_text()),
        "rayservice": yaml.safe_load(service["spec"]["serveConfigV2"]),
    }


@pytest.mark.parametrize("name", ["local", "production", "rayservice"])
def test_serve_takes_the_config_and_the_service_its_settings(name: str) -> None:
    config = serve_configs()[name]
    schema = ServeDeploySchema.model_validate(config)
    application = next(one for one in schema.applications if one.import_path == IMPORT_PATH)
    assert ServeArgs.model_validate(application.args).registry


@pytest.mark.parametrize("name", ["local", "production"])
def test_the_service_listens_on_the_loopback(name: str) -> None:
    assert serve_configs()[name]["http_options"]["host"] == "127.0.0.1"


def test_on_kubernetes_the_service_finds_its_keys_in_a_secret_on_every_pod_that_may_speak_http() -> None:
    service = yaml.safe_load((ROOT / RESOURCES["RayService"]).read_text())
    (application,) = serve_configs()["rayservice"]["applications"]
    keys_file = Path(application["args"]["keys_file"])

    for pod in pods(service):
        (container,) = pod["spec"]["containers"]
        mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
        volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
        assert volumes[mounts[str(keys_file.parent)]]["secret"] == {"secretName": "glioray-api-keys"}


@pytest.mark.parametrize("name", ["production", "rayservice"])
def test_a_service_for_others_has_keys(name: str) -> None:
    (application,) = serve_configs()[name]["applications"]
    assert application["args"]["keys_file"]
