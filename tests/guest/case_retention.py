"""Old backups go as the rules say, and only they; whatever ends a removal, the next one ends it.

A state directory and a destination of its own: what other cases have left must not count.
"""

import json
import os
import shutil
import signal
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

from base import BACKUPS, expect, fresh_directory, run, until
from case_backup import XFS_BY_GTID
from tool import RELEASED, WRONG, Run, config, run_tool

DONE, FAILED, BUSY = 0, 1, 75
PLACE = Path("/run/retained")
STATE = PLACE / "state"
KEPT = BACKUPS / "retained"
DIRECTORIES, FILES = 200, 200  # of a backup that takes a while to remove
MIDDLE_S_MAX = 60


def retained(world, **rules):
    """A configuration whose runs leave their traces where no other case does; its path."""
    return config(
        world.replica,
        top={"state_dir": str(STATE)},
        destination={"directory": str(KEPT)},
        retention=rules or {"keep_last": 2},
    )


def anew(world, days):
    """A real backup, and others that are so many days older: their names, oldest first."""
    for place in (PLACE, KEPT):
        fresh_directory(place)
    KEPT.chmod(0o700)
    # The rules come after it: there is nothing yet that they could remove.
    run_tool("backup", retained(world)).ended(DONE)
    [newest] = names()
    return [older(newest, day) for day in sorted(days, reverse=True)] + [newest]


def older(newest, days):
    """The same backup as of some days ago: a name and a record of that time, and some files."""
    began = datetime.strptime(newest[:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)
    began -= timedelta(days=days)
    name = f"{began:%Y%m%dT%H%M%SZ}{newest[16:]}"
    record = json.loads((KEPT / newest / "backup.json").read_text())
    record |= {"run": name, "started": f"{began:%Y-%m-%dT%H:%M:%SZ}"}
    put(name, record)
    return name


def put(name, record):
    # Of the first version, which had no seal: what is written here would fit none.
    record = {key: value for key, value in record.items() if key != "seal"} | {"version": 1}
    (KEPT / name / "tree" / "db").mkdir(parents=True)
    (KEPT / name / "tree" / "db" / "t.ibd").write_text("rows")
    (KEPT / name / "coordinates.sql").write_text("-- none\n")
    (KEPT / name / "backup.json").write_text(json.dumps(record))


def names():
    """What has a backup's name."""
    return sorted(path.name for path in KEPT.iterdir() if not path.name.startswith("."))


def listing():
    """Every path below both directories, with what tells whether it was touched."""
    found = {}
    for top in (KEPT, STATE):
        for path in [top, *top.rglob("*")]:
            seen = path.lstat()
            found[str(path)] = (seen.st_ino, seen.st_mode, seen.st_size, seen.st_mtime_ns)
    return found


def told(done, word):
    """The backups that a pruning said this of."""
    lines = [line.split() for line in done.out]
    return [words[1] for words in lines if len(words) > 2 and words[0] == word]


def over(world):
    world.require_clean_slate()
    shutil.rmtree(KEPT)


def whole(name):
    """Whether a backup that `older` made has all that it had."""
    parts = ("tree/db/t.ibd", "coordinates.sql", "backup.json")
    return all((KEPT / name / part).exists() for part in parts)


def prune_does_what_it_told(world):
    """Asked, it touches nothing; then exactly what it told goes, and a second one finds nothing."""
    all_of_them = anew(world, [1, 2, 3, 40, 800])
    path = retained(world, keep_last=2, keep_yearly=3)
    before = listing()
    asked = run_tool("prune --dry-run", path).ended(DONE)
    expect(listing() == before, "asking touched something")
    goes = told(asked, "remove")
    expect(goes, f"nothing would go: {asked.out}")
    expect(all_of_them[-1] not in goes, "the newest would go")
    expect(all_of_them[0] not in goes, "the only one of its year would go")
    done = run_tool("prune", path).ended(DONE)
    expect(told(done, "remove") == goes, f"told {goes} before, and then {done.out}")
    expect(names() == sorted(set(all_of_them) - set(goes)), f"left: {names()}")
    expect(not list(KEPT.glob(".*")), f"hidden: {list(KEPT.glob('.*'))}")
    again = run_tool("prune", path).ended(DONE)
    expect(not told(again, "remove"), f"a second one removes: {again.out}")
    over(world)
    return {"removed": len(goes), "kept": len(all_of_them) - len(goes)}


def prune_leaves_what_is_not_ours(world):
    """A directory and a link of somebody, a backup of another host, one that cannot be read, one
    from the future, and one that something is mounted in."""
    all_of_them = anew(world, [1, 2, 3, 4])
    newest = all_of_them[-1]
    record = json.loads((KEPT / newest / "backup.json").read_text())
    (KEPT / "somebody-s" / "tree").mkdir(parents=True)
    elsewhere, unread = "20200101T000000Z-00000a", "20200102T000000Z-00000b"
    put(elsewhere, record | {"run": elsewhere, "host": "elsewhere"})
    put(unread, record)
    (KEPT / unread / "backup.json").write_text("{")
    future = "29990101T000000Z-00000c"
    put(future, record | {"run": future, "started": "2999-01-01T00:00:00Z"})
    link = "20200103T000000Z-00000d"
    (KEPT / link).symlink_to(all_of_them[0])
    mounted = KEPT / all_of_them[0] / "tree" / "db"
    run("mount", "-t", "tmpfs", "none", mounted)
    try:
        done = run_tool("prune", retained(world)).ended(FAILED)
    finally:
        for point in mount_points():
            run("umount", point)
    expect("is mounted there" in "\n".join(done.err), f"does not say why: {done.err}")
    stay = {"somebody-s", elsewhere, unread, future, link, *all_of_them[-2:]}
    expect(set(names()) == stay | {all_of_them[0]}, f"left: {names()}")
    expect(whole(all_of_them[0]), "what something is mounted in was touched")
    for name, word in ((unread, "damaged record"), (future, "future"), (elsewhere, "elsewhere")):
        lines = [line for line in done.out if name in line]
        expect(lines and word in lines[0], f"{name}: not told: {lines}")
    done = run_tool("prune", retained(world)).ended(DONE)
    expect(told(done, "remove") == [all_of_them[0]], f"told: {done.out}")
    expect(set(names()) == stay, f"left: {names()}")
    expect(not list(KEPT.glob(".*")), f"hidden: {list(KEPT.glob('.*'))}")
    over(world)
    return {"left": len(stay)}


def mount_points():
    lines = Path("/proc/mounts").read_text().splitlines()
    points = [line.split()[1] for line in lines]
    return [point for point in points if point.startswith(f"{KEPT}/")]


def prune_is_killed(world):
    """At every act of a removal: what has a name is whole, and the next one finishes."""
    *_, yesterday, newest = anew(world, [1, 2, 3])
    path, kept, killed = retained(world), [yesterday, newest], 0
    acts = acts_of(run_tool("prune", path, WRONG).ended(DONE))
    first = next(number for number, act in enumerate(acts, 1) if act.startswith("mv "))
    for number in range(first, len(acts) + 1):
        goes = [older(newest, 3), older(newest, 2)]
        held = Run("prune", path, WRONG, HOLDSTILL_HOLD_AT=str(number)).wait_until_held(number)
        os.kill(held.process.pid, signal.SIGKILL)
        held.wait()
        check_after_the_end(goes, kept, f"killed before act {number}")
        run_tool("prune", path).ended(DONE)
        expect(names() == kept, f"killed before act {number}, then left: {names()}")
        expect(not list(KEPT.glob(".*")), f"hidden: {list(KEPT.glob('.*'))}")
        killed += 1
    expect(killed >= 8, f"killed only {killed} times: {acts}")
    over(world)
    return {"killed": killed}


def acts_of(done):
    return [line.split(" ms  ", 1)[1] for line in done.out if " ms  " in line]


def check_after_the_end(goes, kept, why):
    """Each is whole, or has lost its name."""
    for name in kept[:-1]:
        expect(whole(name), f"{why}: '{name}' is not whole")
    expect((KEPT / kept[-1] / "backup.json").exists(), f"{why}: the newest is gone")
    for name in goes:
        expect(whole(name) or not (KEPT / name).exists(), f"{why}: '{name}' is half a backup")
    hidden = {path.name for path in KEPT.glob(".*")}
    expect(hidden <= {f".{name}.removing" for name in goes}, f"{why}: hidden: {hidden}")


def ended_in_the_middle(world, which, code):
    """A signal while the files of a backup go; how many of its directories were left."""
    all_of_them = anew(world, [1, 2])
    victim = all_of_them[0]
    for number in range(DIRECTORIES):
        directory = KEPT / victim / "tree" / f"db{number}"
        directory.mkdir()
        for file in range(FILES):
            (directory / f"t{file}.ibd").touch()
    path = retained(world)
    tree = KEPT / f".{victim}.removing" / "tree"
    going = Run("prune", path, RELEASED)
    until(MIDDLE_S_MAX, tree.exists, "the removal to begin")
    deadline = time.monotonic() + MIDDLE_S_MAX
    while going.process.poll() is None and time.monotonic() < deadline:
        try:
            if len(os.listdir(tree)) < DIRECTORIES:
                break
        except FileNotFoundError:
            break
    going.process.send_signal(which)
    going.wait().ended(code)
    left = len(os.listdir(tree))
    expect(0 < left, "it was over before the signal")
    expect((tree.parent / "backup.json").exists(), "the record did not go last")
    check_after_the_end([victim], all_of_them[1:], which.name)
    done = run_tool("prune", path).ended(DONE)
    expect(told(done, "finish") == [victim], f"not finished: {done.out}")
    expect(names() == all_of_them[1:], f"left: {names()}")
    expect(not list(KEPT.glob(".*")), f"hidden: {list(KEPT.glob('.*'))}")
    over(world)
    return {"left": left}


def sigkill_while_files_go(world):
    return ended_in_the_middle(world, signal.SIGKILL, -signal.SIGKILL)


def sigterm_while_files_go(world):
    return ended_in_the_middle(world, signal.SIGTERM, 128 + signal.SIGTERM)


def backup_prunes_when_it_is_done(world):
    """Not when it was interrupted, and not without rules; beside a run nobody else prunes."""
    all_of_them = anew(world, [1, 2, 3])
    path = retained(world)
    held = Run("backup", path, WRONG, HOLDSTILL_HOLD_AT="copy").wait_until_held("copy")
    run_tool("prune", path).ended(BUSY)
    held.process.terminate()
    held.wait().ended(128 + signal.SIGTERM)
    expect(names() == all_of_them, f"a run that failed removed: {names()}")
    without = config(
        world.replica,
        top={"state_dir": str(STATE)},
        destination={"directory": str(KEPT)},
    )
    run_tool("backup", without).ended(DONE)
    expect(set(all_of_them) < set(names()), f"without rules something went: {names()}")
    before = names()
    done = run_tool("backup", retained(world)).ended(DONE)
    [new] = set(names()) - set(before)
    expect(names() == [before[-1], new], f"left: {names()}")
    expect(told(done, "remove") == before[:-1], f"told: {done.out}")
    acts = acts_of(done)
    dropped = max(at for at, act in enumerate(acts) if act.startswith(f"rm --force {STATE}/ledger"))
    went = min(at for at, act in enumerate(acts) if ".removing" in act)
    expect(dropped < went, "a backup went before the ledger was dropped")
    over(world)
    return {"removed": len(before) - 1}


CASES = [
    prune_does_what_it_told,
    prune_leaves_what_is_not_ours,
    prune_is_killed,
    sigkill_while_files_go,
    sigterm_while_files_go,
    backup_prunes_when_it_is_done,
]
for _case in CASES:
    _case.kind = XFS_BY_GTID
