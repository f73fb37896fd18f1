# Databricks notebook source
# A backup by the workspace itself, for as long as it lives: keep its bundles outside. Import as /Shared/lifeboat/backup, and create the
# job beside it (`job.json`; it arrives paused). The program lies in a volume; the service principal's secret in a secret scope.
import os
import shutil
import subprocess

PROGRAM = "/Volumes/platform/lifeboat/bin/lifeboat"
CONFIG = "/Volumes/platform/lifeboat/lifeboat.yaml"

# Volumes do not keep the right to execute.
shutil.copy(PROGRAM, "/tmp/lifeboat")
os.chmod("/tmp/lifeboat", 0o700)
environment = {
    "PATH": os.environ["PATH"],
    "HOME": "/tmp",
    "DATABRICKS_HOST": f"https://{spark.conf.get('spark.databricks.workspaceUrl')}",  # noqa: F821
    "DATABRICKS_CLIENT_ID": dbutils.secrets.get("lifeboat", "client-id"),  # noqa: F821
    "DATABRICKS_CLIENT_SECRET": dbutils.secrets.get("lifeboat", "client-secret"),  # noqa: F821
}
done = subprocess.run(["/tmp/lifeboat", "backup", "--config", CONFIG, "--log-format", "json"], env=environment, check=False)
if done.returncode != 0:
    raise SystemExit(f"lifeboat ended with exit code {done.returncode}: see the log")
