"""What we send although the official SDK's services do not know it: each with its reason and where it is documented.

`place` is a pattern for the place that sdk_routes.py reports: `route`, `query KEY`, `form FIELD`, `body/a/b`, `missing KEY`.
An exception that no request uses fails the run.
"""

EXCEPTIONS = [
]
