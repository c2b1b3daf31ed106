"""Files that did not change are hard links to the newest backup's: only they, each backup is whole
without the other, and damage in a shared file is told of all that have it.

A state directory and a destination of its own, as the cases of retention have.
"""

import ctypes
import json
import os
import shutil
import struct
import time
from pathlib import Path

from base import BACKUPS, HOME, SETTINGS, expect, fresh_directory, run
from case_backup import XFS_BY_GTID
from case_bench_data import report
from case_verify import flip
from oracle import manifest
from tool import config, run_tool

DONE, DAMAGED = 0, 9
PLACE = Path("/run/linked")
STATE = PLACE / "state"
KEPT = BACKUPS / "linked"
SOURCE = HOME / "replica" / "linked"
HOUR_S = 3_600
FILES, FILE_KIB = 100, 1_024
WAYS = [("full", "copy", 0)] + [(f"{percent} % changed", "link", percent) for percent in (0, 1, 20)]
# struct timex: modes, then maxerror, esterror and status (adjtimex(2)).
TIMEX_BYTES, ADJ_ERRORS_AND_STATUS, STA_PLL = 208, 0x4 | 0x8 | 0x10, 1


def keep_the_clock():
    """No time server reaches the guest: the kernel is told what one would tell it."""
    timex = ctypes.create_string_buffer(TIMEX_BYTES)
    struct.pack_into("I", timex, 0, ADJ_ERRORS_AND_STATUS)
    struct.pack_into("qqi", timex, 24, 1_000, 1_000, STA_PLL)
    state = ctypes.CDLL(None, use_errno=True).adjtimex(timex)
    expect(state >= 0, f"adjtimex: {os.strerror(ctypes.get_errno())}")


def anew(world, files=8, kib=64, **rules):
    """A configuration that links, and tables of nobody's that are an hour old."""
    for place in (PLACE, KEPT, SOURCE):
        fresh_directory(place)
    KEPT.chmod(0o700)
    keep_the_clock()
    for number in range(files):
        rewrite(number, kib)
    run("chown", "-R", "mysql:", SOURCE)
    return linking(world, **rules)


def linking(world, unchanged="link", **rules):
    return config(
        world.replica,
        top={"state_dir": str(STATE)},
        copy={"unchanged": unchanged},
        destination={"directory": str(KEPT)},
        **({"retention": rules} if rules else {}),
    )


def rewrite(number, kib, age_s=HOUR_S):
    file = SOURCE / f"{number}.bin"
    file.write_bytes(os.urandom(kib << 10))
    stamp = time.time_ns() - age_s * 1_000_000_000
    os.utime(file, ns=(stamp, stamp))


def over(world):
    world.require_clean_slate()
    shutil.rmtree(KEPT)
    shutil.rmtree(SOURCE)


def backup(path):
    """The directory of one more backup."""
    run_tool("backup", path).ended(DONE)
    return newest()


def files_of(directory):
    """The inode of each of the case's files."""
    found = [one for one in directory.rglob("linked/*.bin")]
    return {one.name: one.stat().st_ino for one in found}


def shared(one, other):
    theirs = files_of(other)
    return {name for name, inode in files_of(one).items() if theirs.get(name) == inode}


def told(path, run_name, code):
    done = run_tool(f"verify --json {run_name}", path).ended(code)
    return json.loads(done.out[0])


def known(name):
    return json.loads((STATE / "known" / f"{name}.json").read_text())["found"]


def only_what_changed_is_copied(world):
    """The second backup has one file of its own, and lives when the first is gone."""
    path = anew(world)
    first = backup(path)
    expect(manifest(first)["linked"]["run"] is None, "the first is linked to something")
    rewrite(3, 64, age_s=60)
    second = backup(path)
    linked = manifest(second)["linked"]
    expect(linked["run"] == first.name, f"linked to {linked}")
    expect(shared(second, first) == set(files_of(first)) - {"3.bin"}, f"{shared(second, first)}")
    expect(told(path, second.name, DONE)["state"] == "sound", "the second is not sound")
    pruned = run_tool("prune", linking(world, keep_last=1)).ended(DONE)
    expect(not first.exists() and second.exists(), f"{pruned.out}")
    expect(told(path, second.name, DONE)["state"] == "sound", "it does not live alone")
    [tree] = {one.parent for one in second.rglob("linked/3.bin")}
    for file in SOURCE.iterdir():
        expect((tree / file.name).read_bytes() == file.read_bytes(), f"{file.name} differs")
    over(world)
    return {"linked_files": linked["files"], "linked_bytes": linked["bytes"]}


def what_moved_behind_a_link_is_not_followed(world):
    """A link that is left behind stays one: nothing below it is taken from the running server."""
    path = anew(world)
    first = backup(path)
    moved = SOURCE.with_name("moved")
    SOURCE.rename(moved)
    SOURCE.symlink_to(moved)
    try:
        rewrite(3, 64, age_s=60)
        second = backup(path)
    finally:
        SOURCE.unlink()
        moved.rename(SOURCE)
    expect(manifest(second)["linked"]["run"] == first.name, "nothing was to be linked")
    [found] = second.rglob("moved")
    expect(found.with_name(SOURCE.name).is_symlink(), "the link is no link any more")
    names = {file.name for file in found.iterdir()}
    expect(names == {file.name for file in SOURCE.iterdir()}, f"{names}")
    expect(told(path, second.name, DONE)["state"] == "sound", "the second is not sound")
    over(world)


def a_time_that_proves_nothing_is_no_reason(world):
    """Written around the snapshot within one tick: the same size and time, and other bytes."""
    path = anew(world)
    rewrite(5, 64, age_s=0)
    stamp = (SOURCE / "5.bin").stat().st_mtime_ns
    first = backup(path)
    (SOURCE / "5.bin").write_bytes(os.urandom(64 << 10))
    os.utime(SOURCE / "5.bin", ns=(stamp, stamp))
    second = backup(path)
    expect("5.bin" not in shared(second, first), "a file was linked that may have changed")
    [file] = second.rglob("linked/5.bin")
    expect(file.read_bytes() == (SOURCE / "5.bin").read_bytes(), "it is stale")
    expect(len(shared(second, first)) == 7, f"{shared(second, first)}")
    over(world)
    return {"shared": 7}


def damage_is_told_of_all_that_share_it(world):
    """A bit of a shared file: both backups are damaged, and the next one has nothing of them."""
    path = anew(world)
    first, second = backup(path), backup(path)
    [file] = first.rglob("linked/1.bin")
    flip(file, 4_096)
    answer = told(path, first.name, DAMAGED)
    [other] = answer["shared"]
    expect(other["run"] == second.name, f"{other}")
    expect("shared" in known(second.name), f"{known(second.name)}")
    listed = run_tool("list", path).ended(DONE)
    lines = [line for line in listed.out if second.name in line]
    expect(lines and "damaged" in lines[0].lower(), f"{listed.out}")
    third = backup(path)
    linked = manifest(third)["linked"]
    expect(linked["files"] == 0 and "is damaged" in linked["why_not"], f"{linked}")
    expect(not shared(third, second), "it shares with a damaged one")
    expect(told(path, third.name, DONE)["state"] == "sound", "the third is not sound")
    over(world)
    return {"problems": len(other["problems"])}


def bench_links(world):
    """What links save, for nothing, 1 % and 20 % of the files changed, beside full backups of the
    same tree: all of them in each round.
    """
    rows = []
    anew(world, FILES, FILE_KIB)
    try:
        for number in range(1, int(SETTINGS.get("runs", 2)) + 1):
            for way, unchanged, percent in WAYS:
                # Both configurations have the same place.
                rows.append({"way": way, "run": number} | measured(world, unchanged, percent))
                print(f"   {number}  {rows[-1]}", flush=True)
    finally:
        report("links", rows)
    over(world)
    return {"rows": len(rows)}


def measured(world, unchanged, percent):
    """One backup after so much has changed: the milliseconds of its copy and its proof, the bytes
    that it read and wrote, and those that it takes on the disk beside the one before.
    """
    backup(linking(world))
    before = newest()
    for number in range(FILES * percent // 100):
        rewrite(number, FILE_KIB, age_s=60)
    record = manifest(backup(linking(world, unchanged)))
    linked = (record["linked"] or {"bytes": 0})["bytes"]
    ms = sum(record["timings_ms"][phase] for phase in ("copy", "read_back"))
    used = disk_used(before, newest()) - disk_used(before)
    return {"ms": ms, "copied": record["copied"]["bytes"] - linked, "used": used}


def newest():
    return max(one for one in KEPT.iterdir() if not one.name.startswith("."))


def disk_used(*directories):
    """As du counts it: a file of several names once."""
    run("sync", "-f", KEPT)
    told = run("du", "-s", "-c", "--block-size=1", *directories).splitlines()
    return int(told[-1].split()[0])


CASES = [
    only_what_changed_is_copied,
    what_moved_behind_a_link_is_not_followed,
    a_time_that_proves_nothing_is_no_reason,
    damage_is_told_of_all_that_share_it,
]
BENCHES = [bench_links]
for case in CASES + BENCHES:
    case.kind = XFS_BY_GTID
