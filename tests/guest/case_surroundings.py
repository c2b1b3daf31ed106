"""Surroundings that mean harm, or are merely odd: names, links, the caller's environment, files
that others can change, ledgers that others could have written.
"""

import os
import shutil
import signal
from contextlib import contextmanager
from pathlib import Path

import tool
from base import BACKUPS, STATE, expect, fresh_directory
from case_backup import XFS_BY_GTID, backup_and_prove
from case_errors import BUSY, REFUSED, USAGE, refused
from tool import RELEASED, WRONG, Run, config, published, run_tool

DONE, FAILED_LEFT = 0, 6
EVIL = Path("/run/evil")
PROGRAMS = ("lvcreate", "lvs", "lvm", "lvremove", "lvconvert", "rsync", "dmsetup", "mount", "sh")
# A dot would end the schema's name, and a backquote the quoting, in the lab's own statements.
NAMES = ["a b", "-rf", "new\nline", "it's", 'dou"ble', "ünï", "semi;colon", "$(id)", "*?[x]"]
FILES = [b"-rf", b"a\nb", b"'; rm -rf *", b"\xff\xfe", b"*?[x]\\", b"lost+found"]


def odd_names(world):
    """Schemas, tables and files with names that a shell, rsync or a pattern would trip over."""
    for name in NAMES:
        world.primary.sql(
            f"CREATE DATABASE `{name}`",
            f"CREATE TABLE `{name}`.`{name}` (id INT PRIMARY KEY) ENGINE=InnoDB",
            f"INSERT INTO `{name}`.`{name}` VALUES (7)",
        )
    inside = fresh_directory(Path(world.primary.datadir) / "lab" / "-odd")
    try:
        for name in FILES:
            Path(os.fsdecode(os.fsencode(inside) + b"/" + name)).write_bytes(name)
        return backup_and_prove(world, world.primary, odd_files)
    finally:
        shutil.rmtree(inside)
        world.primary.sql(*(f"DROP DATABASE `{name}`" for name in NAMES))


def odd_files(backup):
    copied = backup / "tree" / "lab" / "-odd"
    found = {os.fsencode(path.name): path.read_bytes() for path in copied.iterdir()}
    missing = [name for name in FILES if found.get(name) != name]
    expect(not missing, f"not copied as they are: {missing}")
    shutil.rmtree(copied)  # no server would know what to do with them
    return {"odd_files": len(found)}


def links_in_paths(world):
    """Configured paths that lead through links: what counts is where they lead."""
    places = {"away": BACKUPS, "state": STATE}
    fresh_directory(EVIL)
    STATE.mkdir(exist_ok=True)
    for name, to in places.items():
        (EVIL / name).symlink_to(to)
    path = config(
        world.replica,
        top={"state_dir": str(EVIL / "state")},
        destination={"directory": str(EVIL / "away")},
    )
    Run("backup", path).wait().ended(DONE).published()
    world.require_clean_slate()
    back = config(world.replica, destination={"directory": f"{BACKUPS}/../{BACKUPS.name}"})
    return refused(world, back, {USAGE}, "without '..'")


def environment_of_the_caller(world):
    """PATH leads to programs that are not the system's, LD_PRELOAD to a library that is none."""
    fresh_directory(EVIL)
    for name in PROGRAMS:
        program = EVIL / name
        program.write_text(f"#!/bin/sh\ntouch {EVIL}/called.$$\n")
        program.chmod(0o755)
    preload = {"LD_PRELOAD": str(EVIL / "none.so"), "IFS": "/", "LC_ALL": "tr_TR.UTF-8"}
    done = Run("backup", config(world.replica), PATH=str(EVIL), **preload).wait().ended(DONE)
    called = sorted(path.name for path in EVIL.glob("called.*"))
    expect(not called, "a program of the caller's PATH was run")
    of_children = [line for line in done.err if "none.so" in line]
    expect(len(of_children) <= 1, f"the library reached what we start: {of_children}")
    world.require_clean_slate()
    return {"exit": done.code}


@contextmanager
def open_to_others(path):
    mode = path.stat().st_mode
    path.chmod(0o777)
    try:
        yield
    finally:
        path.chmod(mode)


def files_open_to_others(world):
    """A configuration, its directory, or a destination that somebody else could change."""
    path = config(world.replica)
    for place, code in ((path, USAGE), (path.parent, USAGE), (BACKUPS, REFUSED)):
        with open_to_others(place):
            figures = refused(world, path, {code}, str(place), "chmod go-w")
    return figures


def dead(server, state_dir=STATE):
    """A run that died while it copied; its configuration."""
    path = config(server, top={"state_dir": str(state_dir)})
    held = Run("backup", path, WRONG, HOLDSTILL_HOLD_AT="copy").wait_until_held("copy")
    os.kill(held.process.pid, signal.SIGKILL)
    held.wait()
    expect(any((state_dir / "ledger").iterdir()), "it has left no ledger")
    return path


def ledger_open_to_others(world):
    """A ledger names commands that run as root: none is read from where others could write it."""
    path = dead(world.replica)
    for place in (STATE / "ledger", STATE.parent):
        with open_to_others(place):
            kept = run_tool("recover", path).ended(FAILED_LEFT)
        told = f"others can write to '{place}'"
        expect(told in "\n".join(kept.out), f"does not say why: {kept.words()}")
    run_tool("recover", path).ended(DONE)
    world.require_clean_slate()
    return {"exit": kept.code}


def recovery_needs_no_config(world):
    """Neither one that can be read, nor any at all; but where nobody says where the ledgers are, it
    does not say that there are none."""
    elsewhere = EVIL / "state"
    fresh_directory(EVIL)
    dead(world.replica, elsewhere)
    broken = tool.CONFIGS / "broken.toml"
    broken.write_text("state_dir = \n")
    lost = run_tool("recover", broken).ended(USAGE)
    expect("all the same" in "\n".join(lost.err), f"does not say where it looks: {lost.words()}")
    broken.write_text(f"state_dir = '{elsewhere}'\n[lock]\nkind = 'all of it'\n")
    done = run_tool("recover", broken).ended(DONE)
    world.require_clean_slate()
    dead(world.replica, elsewhere)
    run_tool(f"recover --state-dir {elsewhere}", "/nowhere/holdstill.toml").ended(DONE)
    world.require_clean_slate()
    expect(not any((elsewhere / "ledger").iterdir()), "a ledger is left")
    return {"exit": done.code}


def recovery_beside_a_run(world):
    """What is alive is not settled."""
    path, before = config(world.replica), published()
    held = Run("backup", path, WRONG, HOLDSTILL_HOLD_AT="copy").wait_until_held("copy")
    busy = run_tool("recover", path, RELEASED).ended(BUSY)
    expect(tool.ledgers(), "the ledger of a run that is alive was dropped")
    held.process.terminate()
    held.wait().ended(128 + signal.SIGTERM)
    expect(published() == before, "an interrupted run changed what is published")
    world.require_clean_slate()
    return {"exit": busy.code}


CASES = [
    odd_names,
    links_in_paths,
    environment_of_the_caller,
    files_open_to_others,
    ledger_open_to_others,
    recovery_needs_no_config,
    recovery_beside_a_run,
]
for _case in CASES:
    _case.kind = XFS_BY_GTID
