"""The ready deployment files, as the systems that they are for describe them: Kubernetes by its own OpenAPI schemas, GitHub by
the schema of its workflows, Azure by the official client's models, Databricks by the official client.

Every judge is first shown the same file with one planted mistake, which it must refuse.
"""

import copy
import json
import re
import subprocess
import sys
import tempfile

import kubernetes_validate
from azure.mgmt.appcontainers.models import Job
from databricks.sdk.service.jobs import JobSettings
from ruamel.yaml import YAML

import harness
from harness import ROOT, Failure

DEPLOY = ROOT / "deploy"


def read(name):
    """A file as YAML 1.2, in which JSON is YAML and `on` is a word."""
    return YAML(typ="safe", pure=True).load(DEPLOY / name)


def kubernetes(document):
    """What Kubernetes has against a manifest, for each of the oldest and the newest version that its schemas are at hand for."""
    try:
        for version in ("1.27", kubernetes_validate.latest_version()):
            kubernetes_validate.validate(document, version, strict=True)
    except (kubernetes_validate.ValidationError, kubernetes_validate.InvalidSchemaError) as error:
        return [str(error).splitlines()[0]]
    return []


def github(document):
    """What the schema of GitHub's workflows has against one."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(document, file)
        file.flush()
        command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", file.name]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return [] if done.returncode == 0 else [done.stdout.strip() or done.stderr.strip()]


def unknown(given, model, at=""):
    """Members of a document that the official client's model has no field for, or that say nothing to it."""
    if isinstance(given, list):
        return [one for number, part in enumerate(given) for one in unknown(part, model[number], f"{at}/{number}")]
    if not isinstance(given, dict) or not hasattr(model, "_attr_to_rest_field"):
        return []
    fields = {field._rest_name: name for name, field in model._attr_to_rest_field.items()}
    strange = [f"{at}/{name}: no such field" for name in given if name not in fields]
    known = [(name, part) for name, part in given.items() if name in fields]
    return strange + [one for name, part in known for one in unknown(part, getattr(model, fields[name]), f"{at}/{name}")]


def azure(document):
    """What the model of a Container Apps job has against one; what it mounts, it must have."""
    template = document["properties"]["template"]
    volumes = {volume["name"] for volume in template.get("volumes", [])}
    mounted = {mount["volumeName"] for container in template["containers"] for mount in container.get("volumeMounts", [])}
    secrets = {secret["name"] for secret in document["properties"]["configuration"].get("secrets", [])}
    named = {item["secretRef"] for volume in template.get("volumes", []) for item in volume.get("secrets", [])}
    lost = [f"nothing is called {name}" for name in sorted((mounted - volumes) | (named - secrets))]
    return unknown(document, Job(document)) + lost


def databricks(document):
    """What of a job's settings the official client does not know, so that it would not send it."""
    kept = JobSettings.from_dict(copy.deepcopy(document)).as_dict()
    return [] if kept == document else [f"{json.dumps(document, sort_keys=True)} is read as {json.dumps(kept, sort_keys=True)}"]


def set_at(document, pointer, value):
    """The document with another value at a place."""
    changed = copy.deepcopy(document)
    *parents, last = pointer
    part = changed
    for step in parents:
        part = part[step]
    part[last] = value
    return changed


JUDGED = [
    ("kubernetes/cronjob.yaml", kubernetes, [("spec", "jobTemplate", "spec", "backOffLimit"), ("spec", "schedul")]),
    ("github/backup.yml", github, [("jobs", "backup", "run-on"), ("concurrencies",)]),
    (
        "azure/job.yaml",
        azure,
        [
            ("properties", "configuration", "replicaTimeOut"),
            ("properties", "template", "containers", 0, "volumeMounts", 0, "volumeName"),
            ("properties", "configuration", "scheduleTriggerConfig", "cron"),
        ],
    ),
    ("databricks/job.json", databricks, [("schedules",), ("tasks", 0, "timeout")]),
]


def containerfile(text):
    """Each file that the image takes from the source exists, and what the other files mount is what the image sets."""
    image = dict(re.findall(r"(\w+)=(\S+)", text))
    pod = read("kubernetes/cronjob.yaml")["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    mounts = {mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}
    wanted = {image["LIFEBOAT_CONFIG"], image["DATABRICKS_CONFIG_FILE"], f"{image['XDG_STATE_HOME']}/lifeboat"}
    user = f"{pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}"
    lost = [f"the pod mounts nothing at {path}" for path in sorted(wanted - mounts)]
    return lost + ([] if f"USER {user}" in text else [f"the pod runs as {user}, the image does not"])


def judge(name, judged, mistakes):
    """One file: whole as it stands, and refused with each mistake."""
    document = read(name)
    if wrong := judged(document):
        raise Failure(f"{name}: {wrong}")
    for pointer in mistakes:
        if not judged(set_at(document, pointer, "planted")):
            raise Failure(f"{name}: nobody minds a planted {'/'.join(map(str, pointer))}")
    print(f"ok: {name}, and {len(mistakes)} planted mistakes are refused")


def main():
    for name, judged, mistakes in JUDGED:
        judge(name, judged, mistakes)
    text = (DEPLOY / "Containerfile").read_text()
    if wrong := containerfile(text):
        raise Failure(f"Containerfile: {wrong}")
    if not containerfile(text.replace("65534:65534", "0:0")):
        raise Failure("Containerfile: nobody minds that it runs as root")
    print("ok: Containerfile and Kubernetes agree about paths and user")


if __name__ == "__main__":
    harness.main(main)
