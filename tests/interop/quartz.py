#!/usr/bin/env python3
"""Cron expressions of Quartz: `lifeboat risk` and the evaluator cronjs-matcher start the same jobs at the same times.

    with_simulator.py --seed empty -- quartz.py FOLDER

Random expressions in several time zones become the schedules of jobs. For many days, what `risk` says of the next 24 hours is compared
with what the other says. Left to the tests of our own are `L-3` and ranges that go round, which it does not read, and days on which clocks
are changed, which it takes otherwise than Quartz. Needs node and the packages of tests/interop/node ($NODE_MODULES says where they lie).
"""

import datetime
import json
import os
import pathlib
import random
import subprocess
import sys
import urllib.request
import zoneinfo

import harness
from harness import Failure, say

EXPRESSIONS, DAYS = 250, 40
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Chatham", "America/St_Johns"]
WEEKDAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
EVALUATE = """
import { createRequire } from "node:module";
import fs from "node:fs";
const matcher = createRequire(process.env.NODE_MODULES + "/x.js")("@datasert/cronjs-matcher");
const { schedules, days } = JSON.parse(fs.readFileSync(0, "utf8"));
const times = (one, [startAt, endAt]) => matcher.getFutureMatches(one.cron, { hasSeconds: true, startAt, endAt, timezone: one.zone, matchCount: 101 });
console.log(JSON.stringify(schedules.map((one) => days.map((day) => times(one, day)))));
"""


def number(chance, low, high):
    """A field of numbers: one, some, a range, or steps."""
    one = lambda: chance.randint(low, high)
    sort = chance.random()
    if sort < 0.5:
        return str(one())
    if sort < 0.7:
        return ",".join(str(value) for value in sorted({one() for _ in range(3)}))
    if sort < 0.85:
        start, end = sorted((one(), one()))
        return f"{start}-{end}" if start < end else str(start)
    return f"{one()}/{chance.randint(2, max(3, (high - low) // 2))}"


def expression(chance):
    second, minute, hour = number(chance, 0, 59), number(chance, 0, 59), chance.choice(["*", number(chance, 0, 23), number(chance, 0, 23)])
    month = chance.choice(["*", "*", "*", "1-12", number(chance, 1, 12), ",".join(sorted(chance.sample(MONTHS, 6), key=MONTHS.index))])
    weekday = chance.choice(WEEKDAYS)
    of_month, of_week = chance.choice([
        ("*", "?"), ("*", "?"), (number(chance, 1, 31), "?"), ("L", "?"), ("LW", "?"), (f"{chance.randint(1, 31)}W", "?"),
        ("?", weekday), ("?", "MON-FRI"), ("?", ",".join(sorted(chance.sample(WEEKDAYS, 3), key=WEEKDAYS.index))),
        ("?", f"{weekday}L"), ("?", f"{weekday}#{chance.randint(1, 5)}"), ("?", "*"),
    ])
    year = chance.choice(["", "", "", " 2026", " 2026-2027"])
    return f"{second} {minute} {hour} {of_month} {month} {of_week}{year}"


def create(name, cron, zone):
    body = {"name": name, "schedule": {"quartz_cron_expression": cron, "timezone_id": zone, "pause_status": "UNPAUSED"}}
    request = urllib.request.Request(
        f"{os.environ['DATABRICKS_HOST']}/api/2.2/jobs/create", json.dumps(body).encode(),
        {"Authorization": f"Bearer {os.environ['DATABRICKS_TOKEN']}", "Content-Type": "application/json"})
    urllib.request.urlopen(request, timeout=60).read()


def steady(zone, start, end):
    """Whether no clock is changed between two times."""
    return len({moment.astimezone(zoneinfo.ZoneInfo(zone)).utcoffset() for moment in (start, start + (end - start) / 2, end)}) == 1


def main():
    folder = pathlib.Path(sys.argv[1])
    chance = random.Random(20261126)
    schedules = [{"name": f"j{index:03}", "cron": expression(chance), "zone": chance.choice(ZONES)} for index in range(EXPRESSIONS)]
    for one in schedules:
        create(one["name"], one["cron"], one["zone"])
    lifeboat = harness.Lifeboat(folder)
    bundle = folder / "crons.tar.zst"
    bundle.unlink(missing_ok=True)
    lifeboat.run("export", "--unlimited", "-o", bundle, url=os.environ["DATABRICKS_HOST"], token=os.environ["DATABRICKS_TOKEN"])
    begin = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
    # Ends of months and leap days are where mistakes hide.
    odd = [datetime.datetime(2026, month, 28, tzinfo=datetime.timezone.utc) for month in range(1, 13)]
    starts = odd + [begin + datetime.timedelta(minutes=chance.randrange(2 * 365 * 24 * 60)) for _ in range(DAYS - len(odd))]
    days = [(start, start + datetime.timedelta(hours=24)) for start in starts]
    stamp = lambda moment: moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    given = {"schedules": schedules, "days": [[stamp(start), stamp(end)] for start, end in days]}
    done = subprocess.run(["node", "--input-type=module", "-e", EVALUATE], input=json.dumps(given), capture_output=True, text=True)
    if done.returncode:
        raise Failure(f"node ended with {done.returncode}:\n{done.stderr}")
    expected = json.loads(done.stdout)
    compared = starts_seen = 0
    for at, (start, end) in enumerate(days):
        told = json.loads(lifeboat.run("risk", bundle, "--json", "--without-check", "--fail", "never", "--at", stamp(start)).stdout)
        ours = {one["object"]: [run["at"] for run in one["runs"]] for one in told["schedules"]}
        if bad := [one["text"] for one in told["findings"] if one["check"] == "schedule" and "cannot be read" in one["text"]]:
            raise Failure(f"not read: {bad}")
        for index, one in enumerate(schedules):
            if not steady(one["zone"], start, end):
                continue
            # The other leaves out the first moment and keeps the last.
            theirs = [when for when in (moment[:19] + "Z" for moment in expected[index][at]) if stamp(start) < when < stamp(end)][:99]
            mine = [when for when in ours[f"job:{one['name']}"] if when > stamp(start)][:99]
            if mine[:len(theirs)] != theirs[:len(mine)] or abs(len(mine) - len(theirs)) > (len(mine) >= 99):
                raise Failure(f"{one['cron']} in {one['zone']} from {stamp(start)}: {mine[:5]}… and not {theirs[:5]}…")
            compared, starts_seen = compared + 1, starts_seen + len(mine)
    if starts_seen < 10 * DAYS:
        raise Failure(f"only {starts_seen} starts were compared")
    say(f"{EXPRESSIONS} expressions on {DAYS} days: {starts_seen} starts in {compared} comparisons are the same")


if __name__ == "__main__":
    harness.main(main)
