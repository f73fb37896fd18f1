#!/usr/bin/env python3
"""Every answer in JSON is what its schema says, by the validator `jsonschema`.

    schemas.py FOLDER

Runs each command of `lifeboat schema` on the sample with `--json` and validates every line that it prints, strictly: a member of which
the schema does not speak is a mistake too. A command in the table that is not run here is a mistake as well.
"""

import copy
import json
import pathlib
import sys

import harness
import jsonschema
from harness import Failure, Lifeboat, say

KEEP = ("properties", "patternProperties")


def strict(schema):
    """The schema with everything forbidden of which it does not speak. In what is combined, only the whole is closed."""
    schema = copy.deepcopy(schema)
    close(schema)
    return schema


def close(node, inside=False):
    if isinstance(node, list):
        for one in node:
            close(one, inside)
    if not isinstance(node, dict):
        return
    has_members = any(word in node for word in KEEP)
    for name, inner in node.items():
        if name in KEEP or name == "$defs":
            for one in inner.values():
                close(one)
        elif name not in ("const", "enum", "default", "examples"):
            close(inner, inside or has_members and name in ("anyOf", "oneOf", "allOf"))
    if has_members and not inside and "additionalProperties" not in node:
        node["unevaluatedProperties"] = False


def validate(command, schema, output):
    """All lines of an answer against the schema; gives their number."""
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(strict(schema))
    lines = output.decode().splitlines()
    for number, line in enumerate(lines, 1):
        errors = sorted(validator.iter_errors(json.loads(line)), key=lambda error: list(error.path))
        if errors:
            what = "; ".join(f"{'/'.join(map(str, error.path))}: {error.message[:300]}" for error in errors[:3])
            raise Failure(f"line {number} of `{command}` is not what its schema says: {what}")
    return len(lines)


class Run:
    """Runs commands, and validates what they answer."""

    def __init__(self, folder):
        self.lifeboat = Lifeboat(folder / "state")
        self.schemas, self.done = {}, {}
        for entry in map(json.loads, self.lifeboat.run("schema", "--json").stdout.splitlines()):
            self.schemas[entry["command"]] = entry, json.loads(self.lifeboat.run("schema", *entry["command"].split()).stdout)

    def __call__(self, name, *arguments, expect=(0,), **options):
        """The answer of a command, under its name in the table."""
        entry, schema = self.schemas[name]
        words = name.split()[:2] if name.split()[0] in ("rules", "receipt") else name.split()[:1]
        options_of_name = [word for word in name.split() if word.startswith("--")]
        done = self.lifeboat.run(*words, "--json", *options_of_name, *arguments, expect=expect, **options)
        count = validate(name, schema, done.stdout)
        if entry["lines"] == "one" and count != 1:
            raise Failure(f"`{name}` answers {count} values, not one")
        self.done[name] = self.done.get(name, 0) + count
        return done.stdout

    def simulated(self, server):
        name = "simulate"
        self.done[name] = validate(name, self.schemas[name][1], json.dumps(server).encode())

    def finish(self):
        missing = sorted(name for name in self.schemas if not self.done.get(name))
        if missing:
            raise Failure(f"no answer was validated of {', '.join(missing)}")
        say(f"{sum(self.done.values())} values of {len(self.done)} answers are what their schemas say")


def self_test():
    """The validator sees a member too many, one too few, and a wrong type."""
    inner = {"type": "object", "properties": {"x": {"type": "string"}}, "required": ["x"]}
    schema = {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"$ref": "#/$defs/B"}}, "required": ["a"]}
    schema |= {"$defs": {"B": inner}, "anyOf": [{"properties": {"c": {"type": "null"}}}]}
    validate("good", schema, b'{"a": 1, "b": {"x": ""}, "c": null}\n{"a": 2}')
    for bad in ({"a": 1, "d": 0}, {"b": {"x": ""}}, {"a": "1"}, {"a": 1, "b": {"x": "", "y": 0}}):
        try:
            validate("bad", schema, json.dumps(bad).encode())
        except Failure:
            continue
        raise Failure(f"{bad} passes")


def witness(folder):
    self_test()
    run = Run(folder)
    with harness.simulator(folder / "simulator", "--workspaces", "2", "--seed", "sample") as (source, target):
        run.simulated(source)
        workspaces(run, folder, source, target)
    run.finish()


def workspaces(run, folder, source, target):
    bundle, bundles = folder / "bundles" / "sample.tar.zst", folder / "bundles"
    bundles.mkdir(parents=True)
    signed_in = {"url": source["url"], "token": source["token"]}
    there = {"url": target["url"], "token": target["token"]}
    run("schema")
    run("kinds")
    run("export", "-o", bundle, "--quiet", "--unlimited", expect=(0, 3), **signed_in)
    run("export", "-o", folder / "next.tar.zst", "-o", bundle, "--since", bundle, "--quiet", expect=(0, 3), **signed_in)
    offline(run, folder, bundle)
    run("copy", bundle, folder / "copied.tar.zst", expect=(0, 3))
    run("bundles", bundles)
    run("bundles --newest", bundles)
    run("check", "--offline", bundle, expect=(0, 3, 4))
    run("check", bundle, expect=(0, 3, 4), **there)
    run("import --plan-only", bundle, "--quiet", "--unlimited", **there)
    imported = json.loads(run("import", bundle, "--quiet", "--unlimited", "--yes", expect=(0, 3), **there))
    run("receipt verify", imported["record"])
    run("diff", bundle, "--quiet", expect=(0, 3, 4), **there)
    run("diff", bundle, folder / "next.tar.zst", "--quiet", expect=(0, 3, 4))
    run("activate --plan-only", bundle, "--quiet", expect=(0, 3), **there)
    run("activate", bundle, "--quiet", "--yes", expect=(0, 3), **there)
    run("deactivate --plan-only", bundle, "--quiet", expect=(0, 3), **there)
    run("deactivate", bundle, "--quiet", "--yes", expect=(0, 3), **there)
    run("drill", "--quiet", "--evidence", folder / "evidence", expect=(0, 4))
    nightly(run, folder, signed_in)
    run("prune", bundles, "--keep-last", "1", "--dry-run")


def nightly(run, folder, signed_in):
    config = folder / "lifeboat.yaml"
    (folder / "nights").mkdir()
    config.write_text(f"workspaces:\n  - name: sample\n    to: [{folder / 'nights'}/]\n", encoding="utf-8")
    run("backup --dry-run", "--config", config, **signed_in)
    run("backup", "--config", config, "--quiet", expect=(0, 3), **signed_in)


def offline(run, folder, bundle):
    """Questions about one bundle, and about one that is damaged."""
    run("verify", bundle, expect=(0, 3))
    run("verify", bundle, "--full", expect=(0, 3))
    damaged, cut = folder / "damaged.tar.zst", folder / "cut.tar.zst"
    data = bytearray(bundle.read_bytes())
    data[len(data) // 3] ^= 1
    damaged.write_bytes(data)
    cut.write_bytes(data[:5000])
    run("verify", damaged, expect=(4,))
    run("verify", cut, expect=(4,))
    run("list", bundle)
    lines = run("list --long", bundle).splitlines()
    run("list --redacted", bundle)
    for kind in sorted({json.loads(line)["kind"] for line in lines}):
        line = next(line for line in map(json.loads, lines) if line["kind"] == kind and "sha256" in line or line["kind"] == kind)
        if "sha256" in line:
            run("show", bundle, f"{kind}:{line['path']}")
    run("find", bundle, "spark|a", "-C", "1")
    run("find", bundle, "no such text as this", expect=(3,))
    run("find --count", bundle, "spark")
    run("find --list", bundle, "spark")
    run("find --jsonpath", "$..*", bundle)
    run("list --long", bundle, "--owner", "*", "--tag", "*")
    run("extract", bundle, "-o", folder / "out")
    run("graph", bundle, "job:nightly settlement")
    run("graph", bundle, "secret_scope:platform", "--reverse")
    run("graph", bundle)
    run("graph", bundle, "cluster:etl", expect=(4,))
    run("graph --broken", bundle, expect=(4,))
    run("graph --orphans", bundle, expect=(4,))
    run("access", bundle)
    run("access --object", "job:nightly settlement", bundle)
    run("access --object", "cluster:etl", bundle, expect=(4,))
    run("access --principal", "bruno.sato@northwind.example", bundle)
    run("access --orphaned", bundle, expect=(4,))
    run("access --against", bundle, bundle)
    run("extract", bundle, "-o", folder / "archive", "--layout", "archive")
    run("risk", bundle, expect=(4,))
    run("report", bundle, "-o", folder / "report.html")
    run("rules show")
    run("rules test", "standby", bundle, expect=(0, 4))


def check():
    where = pathlib.Path(sys.argv[1])
    where.mkdir(parents=True, exist_ok=True)
    witness(where)
    say("every answer in JSON is what its schema says")


if __name__ == "__main__":
    harness.main(check)
