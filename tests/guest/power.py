"""The power fails while a run is in one of its phases, and comes back: the guest resets itself, so
that what nobody had synced is gone, and boots again from the same disks.

A case cannot live through that. So what it knew is kept in a note on the root disk, and the second
boot goes on from the note: first `recover`, before any server runs, as the boot unit has it; then
the servers; then everything is looked at.
"""

import hashlib
import json
import os
import random
import time
from pathlib import Path

import tool
import world
from base import BACKUPS, HOME, Failed, NotRun, expect, run
from case_backup import XFS_BY_GTID
from case_hostile import pictures
from tool import WRONG, Run, config, published, run_tool

NOTE, BOOTED = HOME / "power.json", HOME / "booted"
GUEST_ONLY = Path("/lab-init")  # the guest's first process: there is none on a real machine
GO_ON = Path("/run/lab-go-on")
DONE = 0
WRITTEN_OUT_S = 3  # a server without clients has written out everything by then
RACE_S_MAX = 0.25
SECONDS_A_DAY = 86_400

# Each phase by an act: the power fails before it. The snapshot is removed before the backup is read
# back and published. "race" is some moment around the renaming.
PHASES = {
    "begun": "unshare",
    "store_made": "start ",
    "locked": "FLUSH NO_WRITE_TO_BINLOG",
    "snapshot_taken": "UNLOCK TABLES",
    "mounted": "rsync",
    "copied": "umount",
    "removed": "mv ",
    "published": "rm --force",
}
RACES = ("race_1", "race_2", "race_3")
ALL = [*PHASES, *RACES]


def today():
    """One phase and one race, others each day."""
    day = int(time.time()) // SECONDS_A_DAY
    return [list(PHASES)[day % len(PHASES)], RACES[day % len(RACES)]]


def came_back():
    """The note of a power failure that was asked for; a boot without one was not."""
    if NOTE.exists():
        return json.loads(NOTE.read_text())
    if BOOTED.exists() and GUEST_ONLY.exists():
        raise SystemExit("lab: the guest has started anew by itself")
    HOME.mkdir(exist_ok=True)
    BOOTED.touch()
    keep(BOOTED)
    return None


def keep(path):
    """On stable storage, this file alone."""
    for one in (path, path.parent):
        handle = os.open(one, os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)


def begin(phases, passed, failed):
    """Fails the power in each of these phases; returns only if something fails before the first."""
    if not GUEST_ONLY.exists():
        raise NotRun("the power fails in a guest alone")
    return go_on_with({"phases": phases, "passed": passed, "failed": failed})


def go_on(note):
    """After a power failure: judges it, and goes on with the next."""
    phase, began = note["phases"].pop(0), time.monotonic()
    try:
        figures = judge(phase, note)
        line, passed = f"ok power_{phase}", True
        line += "".join(f"  {key}={value}" for key, value in figures.items())
    except Exception as reason:
        line, passed = f"not ok power_{phase}  {type(reason).__name__}: {reason}", False
    print(f"{line}  ({time.monotonic() - began:.1f} s)", flush=True)
    note["passed" if passed else "failed"] += 1
    if not passed:
        note["phases"] = []
    return go_on_with(note)


def go_on_with(note):
    if note["phases"]:
        try:
            fail_power(world.have(XFS_BY_GTID), note)
        except Exception as reason:
            told = f"{type(reason).__name__}: {reason}"
            print(f"not ok power_{note['phases'][0]}  {told}", flush=True)
            note["failed"] += 1
    NOTE.unlink(missing_ok=True)
    world.forget()
    print(f"{note['passed']} passed, {note['failed']} failed", flush=True)
    return 0 if note["failed"] == 0 else 1


def fail_power(at, note):
    """A run that holds in the phase, the note, and the end of all that nobody has synced."""
    phase, path = note["phases"][0], config(at.replica, lock={"kind": "ftwrl"})
    GO_ON.unlink(missing_ok=True)
    race = phase in RACES
    word = "publish" if race else str(act_of(PHASES[phase], path))
    time.sleep(WRITTEN_OUT_S)
    for name in ("primary", "replica"):
        run("sync", "--file-system", HOME / name)
    environment = {"HOLDSTILL_HOLD_AT": word, "HOLDSTILL_GO_ON": str(GO_ON)}
    before = sorted(published())
    Run("backup", path, WRONG, **environment).wait_until_held(word)
    partial = [BACKUPS / name for name in tool.unpublished()]
    trees = partial or [BACKUPS / name for name in published() - set(before)]
    note |= {
        "path": str(path),
        "config": path.read_text(),
        "options": (path.parent / "client.cnf").read_text(),
        "before": before,
        "pictures": pictures_of(before),
        "sums": sums(trees[0] / "tree") if race or phase in ("copied", "published") else {},
    }
    NOTE.write_text(json.dumps(note))
    keep(NOTE)
    if race:
        GO_ON.touch()
        time.sleep(random.uniform(0, RACE_S_MAX))
    Path("/proc/sys/kernel/sysrq").write_text("1")
    Path("/proc/sysrq-trigger").write_text("b")
    time.sleep(60)
    raise Failed("the power did not fail")


def act_of(words, path):
    """The number of the act that begins so, in a whole run."""
    before = published()
    _, acts = tool.whole_run(path)
    for name in published() - before:
        run("rm", "-rf", BACKUPS / name)
    run("sync", "--file-system", BACKUPS)
    return tool.number_of([act.removeprefix("lock session: ") for act in acts], words)


def pictures_of(names):
    seen = pictures()
    return {name: json.loads(json.dumps(seen[name])) for name in names}


def sums(tree):
    """What each file of a tree holds."""
    files = sorted(path for path in tree.rglob("*") if path.is_file())
    return {
        str(path.relative_to(tree)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files
    }


def judge(phase, note):
    """After the boot: recovery without any server, then all is as it was."""
    path = Path(note["path"])
    path.parent.mkdir(parents=True, exist_ok=True)
    (path.parent / "client.cnf").write_text(note["options"])
    (path.parent / "client.cnf").chmod(0o600)
    path.write_text(note["config"])
    world.attach_disks()
    ledgers = tool.ledgers()
    recovered = run_tool("recover", path).ended(DONE)
    at = world.awake(XFS_BY_GTID)
    new = published() - set(note["before"])
    expect(pictures_of(note["before"]) == note["pictures"], "an earlier backup is not as it was")
    late, race = phase == "published", phase in RACES
    expect(len(new) == late or race and len(new) == 1, f"published: {sorted(new)}")
    # Once it is published the snapshots are long gone, so its ledger may be, too.
    expect(ledgers or late or race and new, "no ledger was left to settle by")
    for name in new:
        if note["sums"]:
            expect(sums(BACKUPS / name / "tree") == note["sums"], f"'{name}' is not whole")
        record = json.loads((BACKUPS / name / "backup.json").read_text())
        expect(record["state"] == "published", f"'{name}' says {record['state']}")
        expect((BACKUPS / name / "coordinates.sql").stat().st_size > 0, "no coordinates")
        run("rm", "-rf", BACKUPS / name)
    at.require_clean_slate()
    return {
        "ledgers": len(ledgers),
        "published": len(new),
        "recover_s": f"{recovered.seconds:.1f}",
    }
