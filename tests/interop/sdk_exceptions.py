"""What we send although the official SDK's services do not know it: each with its reason and where it is documented.

`place` is a pattern for the place that sdk_routes.py reports: `route`, `query KEY`, `form FIELD`, `body/a/b`, `missing KEY`.
An exception that no request uses fails the run.
"""

NEWER = "a type of task that is newer than this client: what a job says goes as it was read (Jobs API, JobSettings.tasks)"

EXCEPTIONS = [
    *[
        {"method": "POST", "path": "/api/2.2/jobs/create", "place": f"body/tasks/*/{name}", "reason": NEWER}
        for name in ("agentic_task", "genie_task", "hologram_task")
    ],
    {
        "method": "POST",
        "path": "/api/2.0/workspace-files/import-file/*",
        "place": "route",
        "reason": "only where a form is refused, as minilake does: how the vendor's command line makes files"
        " (databricks/cli, libs/filer/workspace_files_client.go)",
    },
]
