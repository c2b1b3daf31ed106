"""The kill matrix: a run is ended at every act, by every signal. The database goes on at once, what
was left is settled, earlier backups are as they were, and the next run begins.

A cell is one act and one signal of one way. All of them take hours (scripts/lab hostile); for the
gate there is every act of the window, and of the others a tenth, another one each day.
"""

import os
import re
import signal
import time

import tool
from base import BACKUPS, SETTINGS, Failed, expect, run
from case_backup import XFS_BY_GTID
from case_errors import FREEZES_NEST
from load import Load
from server import MARIADB
from tool import WRONG, Run, child, config, number_of, published, run_tool, whole_run

DONE = 0
RESUME_MS_MAX = 1_000
TRIES_MAX = 3  # a busy machine is late now and then; what holds the writers is late each time
SETTLE_S_MAX = 60
SECONDS_A_DAY = 86_400
ONE_IN = 10

# SIGSTOP first: what it was doing is then in the middle, and the dead-man sees nobody die yet.
STOPPED = "SIGSTOP+SIGKILL"
KILLS = ("SIGKILL", STOPPED)
SIGNALS = (*KILLS, "SIGTERM", "SIGINT", "SIGHUP")

KINDS = {"ftwrl": "ftwrl"} | ({"stage": "backup-stage"} if MARIADB else {})
WAYS = {name: ("primary", {"kind": kind}) for name, kind in KINDS.items()}
WAYS["replica"] = ("replica", {})
if FREEZES_NEST:
    WAYS |= {
        f"{name}-explicit": ("primary", {"kind": kind, "freeze": "explicit"})
        for name, kind in KINDS.items()
    }


class Way:
    """One configuration, its acts in order, and a backup that was there before."""

    def __init__(self, world, name):
        server, lock = WAYS[name]
        self.name, self.path = name, config(getattr(world, server), lock=lock)
        whole, self.acts = whole_run(self.path)
        told = re.search(r"(\d+) acts", "\n".join(whole.err))
        expect(told and int(told[1]) == len(self.acts), f"{told} acts, told {len(self.acts)}")

    def window(self):
        """The numbers of the acts while writes may be stopped."""
        first = number_of(self.acts, "arm the dead")
        return range(first, number_of(self.acts, "dismiss") + 1)

    def publishing(self):
        return number_of(self.acts, "mv ")


def hostile(world):
    """The cells that `only` names, or every cell behind the one that `after` names, until `seconds`
    of uptime are over."""
    end = float(SETTINGS.get("seconds", "inf"))
    cells, every = 0, True
    with Load(world.primary) as load:
        load.calm_down()
        for name in WAYS:
            for way, number, which in chosen(lambda n=name: Way(world, n), name):
                if time.monotonic() < end:
                    strike_and_tell(world, load, way, number, which)
                    cells += 1
                else:
                    every = False
    return {"cells": cells, "every": every}


def chosen(make, name):
    """The cells of a way that are asked for; a way without any is not even made."""
    only = {tuple(cell.split("/")) for cell in SETTINGS.get("only", "").split(",") if cell}
    after = tuple(SETTINGS.get("after", "").split("/"))
    done = list(WAYS).index(after[0]) if after[0] else -1
    if list(WAYS).index(name) < done or only and name not in {cell[0] for cell in only}:
        return
    way = make()
    behind = name != after[0]
    for number in range(1, len(way.acts) + 1):
        for which in SIGNALS:
            cell = (name, str(number), which)
            if behind and (not only or cell in only):
                yield way, number, which
            behind = behind or cell == after


def hostile_gate(world):
    """Each act of the window, and today's tenth of the others; each by one signal in turn."""
    today = int(time.time()) // SECONDS_A_DAY
    way = Way(world, "replica" if today % 2 else next(iter(KINDS)))
    turn = range(1 + today % ONE_IN, len(way.acts) + 1, ONE_IN)
    chosen = sorted({*way.window(), *turn})
    with Load(world.primary) as load:
        load.calm_down()
        for number in chosen:
            which = SIGNALS[(number + today) % len(SIGNALS)]
            strike_and_tell(world, load, way, number, which)
    return {"way": way.name, "acts": len(way.acts), "cells": len(chosen)}


def strike_and_tell(world, load, way, number, which):
    """One line for each cell: the host makes its table of them."""
    identity = f"{way.name}/{number}/{which}"
    try:
        figures = in_time(lambda: strike(world, load, way, number, which))
    except Exception as error:
        print(f"   cell {identity}  failed  {way.acts[number - 1][:60]}: {error}", flush=True)
        raise
    told = "  ".join(f"{key}={value}" for key, value in figures.items())
    print(f"   cell {identity}  ok  {told}  {way.acts[number - 1][:60]}", flush=True)


def in_time(cell):
    """A cell's figures, and how often it was tried until the writers went on in time."""
    for tries in range(1, TRIES_MAX + 1):
        figures = cell()
        if figures["resumed_ms"] <= RESUME_MS_MAX:
            return figures | ({"tries": tries} if tries > 1 else {})
    raise Failed(f"the writers went on after {figures['resumed_ms']} ms, {TRIES_MAX} times late")


def strike(world, load, way, number, which):
    before, picture = published(), pictures()
    held = Run("backup", way.path, WRONG, HOLDSTILL_HOLD_AT=str(number))
    held.wait_until_held(str(number))
    moment = time.monotonic()
    send(held.process, which)
    resumed = load.resume_ms(moment)
    held.wait(SETTLE_S_MAX)
    new = published() - before
    expect(len(new) <= 1 and (not new or number >= way.publishing()), f"published {new}")
    if which in KILLS:
        run_tool("recover", way.path).ended(DONE)
    else:
        stopped = 128 + getattr(signal, which)
        expect(held.code == (DONE if new else stopped), f"exit {held.code}: {held.words()}")
    kept = {name: seen for name, seen in pictures().items() if name in picture}
    expect(kept == picture, "an earlier backup is not as it was")
    world.require_clean_slate()
    for name in new:
        run("rm", "-rf", BACKUPS / name)
    return {"exit": held.code, "resumed_ms": round(resumed)}


def send(process, which):
    if which == STOPPED:
        os.kill(process.pid, signal.SIGSTOP)
        time.sleep(0.2)
    os.kill(process.pid, signal.SIGKILL if which in KILLS else getattr(signal, which))


def pictures():
    """What each published backup is, by name: its record, and every file's size and time."""
    return {name: picture_of(BACKUPS / name) for name in published()}


def picture_of(backup):
    files = sorted(path for path in backup.rglob("*") if path.is_file())
    facts = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    return (backup / "backup.json").read_text(), facts


def dead_man_killed_too(world):
    """Under an explicit freeze the dead-man dies with its parent: the filesystem stays frozen, and
    `recover`, which the boot unit calls as well, lets it go."""
    path = config(world.primary, lock={"freeze": "explicit"})
    with Load(world.primary) as load:
        held = Run("backup", path, WRONG, HOLDSTILL_HOLD_AT="frozen").wait_until_held("frozen")
        dead_man = child(held.process.pid, "exe")  # started as /proc/self/exe
        expect(dead_man, "there is no dead-man")
        os.kill(dead_man, signal.SIGKILL)
        os.kill(held.process.pid, signal.SIGKILL)
        time.sleep(1)
        moment = time.monotonic()
        try:
            load.resume_ms(moment, limit_s=3)
            raise Failed("the writers went on without a thaw: this shows nothing")
        except Failed as expected:
            expect("in vain" in str(expected), expected)
        recovered = run_tool("recover", path).ended(DONE)
        resumed = load.resume_ms(time.monotonic())
    held.wait()
    expect(not tool.ledgers(), "the ledger is kept")
    world.require_clean_slate()
    return {"recover_s": f"{recovered.seconds:.1f}", "resumed_ms": round(resumed)}


MATRIX = [hostile]
GATE = [hostile_gate] + ([dead_man_killed_too] if FREEZES_NEST else [])
for _one in MATRIX + GATE:
    _one.kind = XFS_BY_GTID
