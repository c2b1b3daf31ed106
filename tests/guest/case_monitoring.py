"""holdstill seen from monitoring: the check, the textfile, hooks, and a copy that stands back.

A state directory and a destination of its own: what other cases have left must not count.
"""

import json
import os
import re
import shutil
import signal
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import tool
from base import BACKUPS, expect, fresh_directory
from case_backup import XFS_BY_GTID
from tool import WRONG, Run, config, run_tool
from underway import Copying

DONE, REFUSED = 0, 3
OK, WARNING, CRITICAL, UNKNOWN = range(4)
PLACE = Path("/run/monitored")
STATE = PLACE / "state"
PROM = PLACE / "holdstill.prom"
SEEN = PLACE / "seen.json"
MOUNTS = PLACE / "mounts"
WATCHED = BACKUPS / "watched"
HOOK_S_MAX = 2
HOOK = f"""#!/bin/sh
case $1 in
  fail) echo "not today" >&2; exit 7;;
  hang) sleep 600;;
  keep) cp "$2" {SEEN}; readlink /proc/self/ns/mnt >{MOUNTS};;
esac
"""


def watched(world, **sections):
    """A configuration whose runs leave their traces where no other case does; its path."""
    sections.setdefault("top", {})["state_dir"] = str(STATE)
    sections["destination"] = {"directory": str(WATCHED)}
    return config(world.replica, **sections)


def anew():
    for place in (PLACE, WATCHED):
        fresh_directory(place)
    WATCHED.chmod(0o700)


def over():
    shutil.rmtree(WATCHED)


def check(path, code, *words, more=""):
    """One line, as a plugin has to say it."""
    done = run_tool(f"check {more}".strip(), path).ended(code)
    expect(len(done.out) == 1, f"not one line: {done.out}")
    state = ("OK", "WARNING", "CRITICAL", "UNKNOWN")[code]
    expect(done.out[0].startswith(f"{state} - "), f"does not say {state}: {done.out}")
    missing = [word for word in words if word not in done.out[0]]
    expect(not missing, f"does not say {missing}: {done.out}")
    return done.out[0]


def check_tells(world):
    """Before any backup, after one, with an old one, beside a run and with what a dead one left."""
    anew()
    path = watched(world)
    check(path, CRITICAL, "there is no backup")
    run_tool("backup", path).ended(DONE)
    line = check(path, OK, " | age=", " locked=", " duration=", " size=", " cow=")
    held = Run("backup", path, WRONG, HOLDSTILL_HOLD_AT="copy").wait_until_held("copy")
    check(path, OK, "alive: run ")
    os.kill(held.process.pid, signal.SIGKILL)
    held.wait()
    check(path, CRITICAL, "died or left something", "holdstill recover")
    run_tool("recover", path).ended(DONE)
    check(path, WARNING, "has told no end: it died", "settled by 'holdstill recover'")
    [died] = [one for one in outcomes() if one["exit"] is None]
    expect(died["backup"] is None and died["destination"] == str(WATCHED), died)
    held = Run("backup", path, WRONG, HOLDSTILL_HOLD_AT="copy").wait_until_held("copy")
    held.process.terminate()
    held.wait().ended(128 + signal.SIGTERM)
    check(path, WARNING, "was interrupted")
    age(27)
    check(path, WARNING, "27 h")
    age(51)
    check(path, CRITICAL, "51 h")
    check(path, UNKNOWN, "age_critical_hours", more="--age-warning 99")
    path.write_text("[destination\n")
    check(path, UNKNOWN, str(path))
    world.require_clean_slate()
    over()
    return {"line": f"'{line}'"}


def outcomes():
    return [json.loads(one.read_text()) for one in sorted((STATE / "runs").iterdir())]


def age(hours):
    """The only backup began so long ago, and has a record of version 1, which bore no seal."""
    [record] = WATCHED.glob("2*/backup.json")
    text = json.loads(record.read_text())
    began = datetime.now(timezone.utc) - timedelta(hours=hours)
    text |= {"started": began.strftime("%Y-%m-%dT%H:%M:%SZ"), "version": 1}
    for key in ("seal", "manifest", "statements"):
        text.pop(key, None)
    record.write_text(json.dumps(text))


def figures():
    """What the collector would read; a strict reader, since a wrong line costs the whole file."""
    mode = PROM.stat().st_mode & 0o777
    expect(mode == 0o644, f"mode {mode:o}")
    lines = PROM.read_text().splitlines()
    samples = [line for line in lines if not line.startswith("#")]
    for line in samples:
        expect(re.fullmatch(r"holdstill_[a-z_]+ (-1|[0-9.]+)", line), f"no sample: '{line}'")
        name = line.split()[0]
        for comment in ("HELP", "TYPE"):
            told = [one for one in lines if one.startswith(f"# {comment} {name} ")]
            expect(len(told) == 1, f"{len(told)} lines of {comment} for {name}")
    told = map(str.split, samples)
    return {name.removeprefix("holdstill_"): float(value) for name, value in told}


def textfile_tells(world):
    """After a success; after a failure and a dead run, which keep the figures of the success."""
    anew()
    path = watched(world, monitoring={"textfile": str(PROM)})
    done = run_tool("backup", path).ended(DONE)
    first = figures()
    expect(first["last_run_exit_code"] == 0 and first["leftovers"] == 0, first)
    expect(abs(first["last_success_timestamp_seconds"] - time.time()) < 60, first)
    expect(first["lock_held_seconds"] == done.window()["locked_ms"] / 1000, first)
    expect(first["backup_bytes"] > 0 and 0 <= first["cow_peak_ratio"] < 1, first)
    time.sleep(1)
    held = Run("backup", path, WRONG, HOLDSTILL_HOLD_AT="copy").wait_until_held("copy")
    held.process.terminate()
    held.wait().ended(128 + signal.SIGTERM)
    second = figures()
    expect(second["last_run_exit_code"] == 128 + signal.SIGTERM, second)
    expect(second["last_run_timestamp_seconds"] > first["last_run_timestamp_seconds"], second)
    of_run = {name for name in first if name.startswith("last_run_")}
    kept = {name: second[name] == first[name] for name in first.keys() - of_run}
    expect(all(kept.values()), f"{first} became {second}")
    noted = outcomes()
    expect([one["exit"] for one in noted] == [0, 128 + signal.SIGTERM], noted)
    expect(noted[1]["phase"] and noted[1]["fault"] and not noted[1]["backup"], noted)
    held = Run("backup", path, WRONG, HOLDSTILL_HOLD_AT="copy").wait_until_held("copy")
    os.kill(held.process.pid, signal.SIGKILL)
    held.wait()
    run_tool("recover", path).ended(DONE)
    third = figures()
    expect(third["last_run_exit_code"] == -1 and third["leftovers"] == 0, third)
    expect("last_run_duration_seconds" not in third, third)
    expect(third["backup_bytes"] == first["backup_bytes"], third)
    world.require_clean_slate()
    over()
    return {name: first[name] for name in ("backup_bytes", "lock_held_seconds", "cow_peak_ratio")}


def hooked(world, **words):
    """A configuration with our hook at these moments, each with its word."""
    program = PLACE / "hook"
    program.write_text(HOOK)
    program.chmod(0o755)
    hooks = {moment: [str(program), word] for moment, word in words.items()}
    return watched(world, hooks=hooks | {"seconds_max": HOOK_S_MAX})


def hook_before_fails(world):
    """Then there is no run, and whoever is told of failures gets the facts."""
    anew()
    before = world.fingerprint()
    done = run_tool("backup", hooked(world, before="fail", on_failure="keep")).ended(REFUSED)
    told = "\n".join(done.err)
    for word in ("the hook 'before' failed", "not today", "hint:"):
        expect(word in told, f"does not say '{word}': {told}")
    expect(world.fingerprint() == before, "something was touched")
    expect(not list(WATCHED.iterdir()), "something is in the destination")
    facts = json.loads(SEEN.read_text())
    expect(facts["hook"] == "on_failure" and facts["outcome"]["exit"] == REFUSED, facts)
    expect("not today" in facts["outcome"]["fault"], facts)
    expect(tool.PASSWORD not in SEEN.read_text(), "a secret is told")
    expect(not Path("/run/holdstill/hook.json").exists(), "the facts are left")
    over()
    return {"exit": done.code}


def hook_after_hangs(world):
    """Past its time it is ended and told; the backup is published all the same."""
    anew()
    done = run_tool("backup", hooked(world, before="keep", after="hang")).ended(DONE)
    told = "\n".join(done.err)
    expect("the hook 'after' failed" in told, f"does not say so: {told}")
    expect(f"not done within {HOOK_S_MAX}000 ms" in told, f"does not say why: {told}")
    expect(json.loads(SEEN.read_text())["outcome"] is None, "there was no outcome before the run")
    expect(len(list(WATCHED.glob("2*/backup.json"))) == 1, "nothing is published")
    world.require_clean_slate()
    over()
    return {"took_s": f"{done.seconds:.1f}"}


def hook_on_failure_gets_the_facts(world):
    """Of a run that was interrupted while it copied."""
    anew()
    path = hooked(world, after="fail", on_failure="keep")
    held = Run("backup", path, WRONG, HOLDSTILL_HOLD_AT="copy").wait_until_held("copy")
    held.process.terminate()
    held.wait().ended(128 + signal.SIGTERM)
    facts = json.loads(SEEN.read_text())
    outcome = facts["outcome"]
    expect(outcome["exit"] == held.code and outcome["phase"] == "copy", facts)
    expect(outcome["locked_ms"] is not None and outcome["left"] == [], facts)
    [noted] = (STATE / "runs").iterdir()
    expect(json.loads(noted.read_text()) == outcome, "the history says something else")
    expect("hook" not in "\n".join(held.err), f"a hook failed: {held.err}")
    expect(MOUNTS.read_text().strip() == os.readlink("/proc/self/ns/mnt"), "it sees other mounts")
    world.require_clean_slate()
    over()
    return {"exit": held.code}


def copy_stands_back(world):
    """Every process of rsync, and it alone."""
    rules = {"nice": 13, "io_class": "best-effort", "io_level": 6, "bandwidth_max": "1GiB"}
    under_way = Copying(world.replica, copy=rules)
    group = [
        pid
        for pid in map(int, filter(str.isdigit, os.listdir("/proc")))
        if _comm(pid) == "rsync" and os.getpgid(pid) == under_way.rsync
    ]
    try:
        for pid in group:
            nice = os.getpriority(os.PRIO_PROCESS, pid)
            io = tool.subprocess.check_output(["ionice", "-p", str(pid)], text=True).strip()
            expect((nice, io) == (13, "best-effort: prio 6"), f"process {pid}: {nice}, {io}")
        words = Path(f"/proc/{under_way.rsync}/cmdline").read_bytes().split(b"\0")
        expect(b"--bwlimit=1048576" in words, f"no limit: {words}")
        ours = os.getpriority(os.PRIO_PROCESS, under_way.run.process.pid)
        expect(ours == os.getpriority(os.PRIO_PROCESS, 0), f"the run itself has nice {ours}")
    finally:
        under_way.go_on()
    under_way.ended(DONE)
    expect(group, "no rsync was seen")
    world.require_clean_slate()
    return {"processes": len(group)}


def _comm(pid):
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return None  # it has ended


CASES = [
    check_tells,
    textfile_tells,
    hook_before_fails,
    hook_after_hangs,
    hook_on_failure_gets_the_facts,
    copy_stands_back,
]
for _case in CASES:
    _case.kind = XFS_BY_GTID
