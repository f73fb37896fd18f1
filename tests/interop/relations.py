#!/usr/bin/env python3
"""Checks what `lifeboat graph` says a job needs, by the classes of the official Databricks SDK.

    relations.py BUNDLE

The jobs and the cluster specifications in them are read from the bundle with `tar` and `zstd` and made into the SDK's
dataclasses, and the references are taken from their fields by a list written here. The same set of edges from jobs to clusters,
policies, pools, notebooks and warehouses must stand in the graph of the bundle; and Graphviz must read its DOT.
"""

import io
import json
import os
import subprocess
import sys
import tarfile

from databricks.sdk.service.jobs import Job
import zstandard

LIFEBOAT = os.environ.get("LIFEBOAT", "target/debug/lifeboat")
KINDS = {"cluster", "cluster_policy", "instance_pool", "notebook", "warehouse"}


def members(bundle, folder):
    """The documents below a folder of the bundle, as JSON."""
    with open(bundle, "rb") as file:
        stream = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
        with tarfile.open(fileobj=io.BufferedReader(stream), mode="r|") as archive:
            for member in archive:
                if member.isfile() and member.name.startswith(f"bundle/data/{folder}/"):
                    yield json.load(archive.extractfile(member))


def of_cluster(spec):
    """What a cluster specification names."""
    if spec is None:
        return
    yield "cluster_policy", spec.policy_id
    yield "instance_pool", spec.instance_pool_id
    yield "instance_pool", spec.driver_instance_pool_id


def of_task(task):
    """What a task names, and the task inside of it."""
    yield "cluster", task.existing_cluster_id
    yield from of_cluster(task.new_cluster)
    if notebook := task.notebook_task:
        if (notebook.source.value if notebook.source else "WORKSPACE") != "GIT":
            yield "notebook", notebook.notebook_path
        yield "warehouse", notebook.warehouse_id
    for sort in (task.sql_task, task.dbt_task, task.dashboard_task, task.power_bi_task, getattr(task, "alert_task", None)):
        if sort:
            yield "warehouse", sort.warehouse_id
    if task.for_each_task:
        yield from of_task(task.for_each_task.task)


def of_job(job):
    """What a job names."""
    settings = job.settings
    for one in settings.job_clusters or []:
        yield from of_cluster(one.new_cluster)
    for one in settings.tasks or []:
        yield from of_task(one)
    starters = [settings.schedule, settings.trigger, *(getattr(settings, "triggers", None) or [])]
    for starter in filter(None, starters):
        if condition := getattr(starter, "sql_condition", None):
            yield "warehouse", condition.warehouse_id


def wanted(bundle):
    """Edges that the SDK's classes show."""
    edges = set()
    for document in members(bundle, "job"):
        job = Job.from_dict(document)
        for kind, name in of_job(job):
            if name:
                edges.add((str(job.job_id), kind, name.removeprefix("/Workspace") if kind == "notebook" else name))
    return edges


def found(bundle):
    """Edges of the graph."""
    shown = subprocess.run([LIFEBOAT, "graph", bundle, "--json"], capture_output=True, text=True)
    if shown.returncode not in (0, 3):
        sys.exit(f"FAILED: lifeboat graph ended with {shown.returncode}: {shown.stderr}")
    graph = json.loads(shown.stdout)
    nodes = graph["nodes"]
    ends = ((nodes[edge["from"]], nodes[edge["to"]]) for edge in graph["edges"])
    return {(one["id"], other["kind"], other["id"]) for one, other in ends if one["kind"] == "job" and other["kind"] in KINDS}


def drawn(bundle):
    """Graphviz reads the DOT, and finds every node."""
    dot = subprocess.run([LIFEBOAT, "graph", bundle, "--dot"], capture_output=True, text=True).stdout
    svg = subprocess.run(["dot", "-Tsvg"], input=dot, capture_output=True, text=True)
    if svg.returncode or svg.stderr.strip():
        sys.exit(f"FAILED: dot -Tsvg refuses the graph: {svg.stderr}")
    return svg.stdout.count('class="node"')


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    bundle = sys.argv[1]
    ours, theirs = found(bundle), wanted(bundle)
    for edge in sorted(theirs - ours):
        print(f"missing: job {edge[0]} refers to {edge[1]} {edge[2]}")
    for edge in sorted(ours - theirs):
        print(f"too many: job {edge[0]} is said to refer to {edge[1]} {edge[2]}")
    kinds = {kind for _, kind, _ in theirs}
    if ours != theirs or kinds != KINDS:
        sys.exit(f"FAILED: the graph and the SDK's classes do not show the same; kinds that were met: {sorted(kinds)}")
    print(f"ok: {len(ours)} references of jobs, the same by the SDK's classes; Graphviz draws {drawn(bundle)} nodes")


if __name__ == "__main__":
    main()
