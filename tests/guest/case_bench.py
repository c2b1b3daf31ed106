"""The benchmark: every way of taking a snapshot under four writers, side by side in one boot.

Round by round each way has its turn, another one first each time, so that what else the machine
does hits all of them alike. Each case leaves its figures in the report, one row for each run;
medians and pictures are made on the host (scripts/bench). A figure is no test: a case fails only if
a way does.

The replica's threads stand still all the while, so that nothing but the writers uses the machine;
only for the one way that takes no lock they run, since the run itself has to stop the applier.
"""

import json
import math
import os
import time

import storage
from base import HOME, REPORT, SETTINGS, Failed, NotRun, expect, fresh_directory, run
from bench_ways import GROWING, PRIMARY_DEVICE, clear_away, freezes_nest, ways_of
from devmapper import Watch
from load import WRITERS, Load
from server import REPLICA, version
from tool import STATE
from unlocked import only_innodb
from world import Kind, thaw

MOMENT_S = 0.5  # before and after a run: its writers' commits count as the run's
UNLOCKED = "holdstill-none"
LOOP_SIZE = 8 << 20  # lvm looks at no device below 2 MiB
FIGURES = ("waited_ms", "locked_ms", "suspended_ms")


class Book:
    """The rows and the notes of one case; written out whatever happens."""

    def __init__(self, name):
        self.name, self.rows, self.notes = name, [], []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        report = {
            "server": version(),
            "kernel": os.uname().release,
            "rows": self.rows,
            "notes": self.notes,
        }
        REPORT.mkdir(parents=True, exist_ok=True)
        (REPORT / f"{self.name}.json").write_text(json.dumps(report, indent=1))

    def add(self, place, measured):
        row = place | {
            key: round(value, 1) if isinstance(value, float) else value
            for key, value in measured.items()
        }
        self.rows.append(row)
        tell(place, "  ".join(f"{key}={value}" for key, value in measured_words(row, place)))

    def note(self, place, kind, why):
        self.notes.append(place | {"kind": kind, "why": why})
        tell(place, f"{kind}: {why}")

    def ended(self):
        failed = [note for note in self.notes if note["kind"] == "failed"]
        expect(not failed, f"{len(failed)} runs failed, {len(self.rows)} did not")
        return {"runs": len(self.rows)}


def measured_words(row, place):
    return [(key, value) for key, value in row.items() if key not in place]


def tell(place, words):
    where = f"{place['volume']} +{place['devices']} {place['way']} {place['run']}"
    print(f"   {where}  {words}", flush=True)


def bench_thick(world):
    return bench_rounds(world, "bench-thick")


def bench_thin(world):
    return bench_rounds(world, "bench-thin")


def bench_rounds(world, name):
    ways, runs = ways_of(world.kind.volume), int(SETTINGS.get("runs", 2))
    unlocked = {UNLOCKED: ways.pop(UNLOCKED)}
    with Book(name) as book:
        # The one way that wants other tables, and a replica that follows, has rounds of its own.
        with only_innodb(world):
            rounds(world, book, unlocked, 0, runs)
        stand_still(world)
        rounds(world, book, ways, 0, runs)
    return book.ended()


def bench_devices(world):
    """The same with more and more block devices that are nobody's: lvm looks at every one."""
    every = ways_of(world.kind.volume)
    ways = {name: every[name] for name in GROWING}
    with Book("bench-devices") as book, Loops() as loops:
        stand_still(world)
        for count in map(int, SETTINGS.get("devices", "2").split(",")):
            loops.grow_to(count)
            rounds(world, book, ways, count, int(SETTINGS.get("growth", 1)))
    return book.ended()


def stand_still(world):
    world.replica.sql(f"STOP {REPLICA}")
    freezes_nest()


def rounds(world, book, ways, devices, runs):
    missing = set()
    for number in range(1, runs + 1):
        with Load(world.primary) as load:
            for name in turned(list(ways), number - 1):
                place = {
                    "volume": world.kind.volume,
                    "way": name,
                    "devices": devices,
                    "run": number,
                }
                if name not in missing and not attempt(world, book, load, ways[name], place):
                    missing.add(name)


def turned(names, by):
    by %= len(names)
    return names[by:] + names[:by]


def attempt(world, book, load, way, place):
    """One run of one way. False if it is missing here, and need not be tried again."""
    try:
        expect(not time_is_up(), "no time was left for it")
        book.add(place, measure(load, world, way))
    except NotRun as reason:
        book.note(place, "missing", str(reason))
        return False
    except Exception as error:  # whatever it was, the other ways go on
        kind = "" if isinstance(error, Failed) else f"{type(error).__name__}: "
        book.note(place, "failed", f"{kind}{error}")
        pick_up_the_pieces()
    clear_away()
    return True


def time_is_up():
    """The guest is ended from outside some time later, and then there is no report at all."""
    return time.monotonic() > float(SETTINGS.get("seconds", "inf"))


def measure(load, world, way):
    with Watch(PRIMARY_DEVICE) as watch:
        time.sleep(MOMENT_S)
        began = time.monotonic()
        measured = way(world, watch)
        ended = time.monotonic()
        time.sleep(MOMENT_S)
    load.resume_ms(ended)  # until then a commit may be under way that has waited for all this
    commits = sorted(
        ms for n in range(WRITERS) for end, ms in load.commits(n) if end >= began - MOMENT_S
    )
    felt = {
        "worst_commit_ms": commits[-1],
        "p99_commit_ms": commits[math.ceil(len(commits) * 0.99) - 1],
        "total_ms": (ended - began) * 1000,
    }
    return felt | measured


def pick_up_the_pieces():
    thaw()
    known = {str(HOME / name) for name in storage.VOLUMES}
    for _, mount_point in storage.mounts_of_the_group():
        if mount_point not in known:
            run("umount", "-l", mount_point, check=False)
    for name in sorted(set(storage.volumes()) - storage.VOLUMES - {storage.POOL}):
        run("lvremove", "-qq", "-y", f"{storage.VG}/{name}", check=False)
    run("rm", "-rf", STATE)


class Loops:
    """Loop devices on sparse files."""

    def __init__(self):
        self.directory, self.devices = fresh_directory(HOME / "loops"), []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for device in self.devices:
            run("losetup", "-d", device, check=False)
        run("rm", "-rf", self.directory)

    def grow_to(self, count):
        while len(self.devices) < count:
            file = self.directory / str(len(self.devices))
            with file.open("wb") as sparse:
                sparse.truncate(LOOP_SIZE)
            self.devices.append(run("losetup", "--find", "--show", file).strip())
        run("udevadm", "settle")
        if len(set(self.devices)) != count:
            raise Failed(f"{len(set(self.devices))} loop devices instead of {count}")


bench_thick.kind = bench_devices.kind = Kind(replica="xfs", primary="xfs")
bench_thin.kind = Kind(replica="xfs", primary="xfs", volume="thin")
CASES = [bench_thick, bench_devices, bench_thin]
