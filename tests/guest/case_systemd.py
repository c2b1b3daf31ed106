"""The units as the package installs them, under a real service manager: with every limit that they
set, and seen by `systemctl status` and in the journal. The lab boots with systemd for these alone.
"""

import json
import os
import signal
import time
from contextlib import contextmanager
from pathlib import Path

from base import STATE, NotRun, expect, run, until
from case_backup import XFS_BY_GTID
from case_package import CONFIG, ETC, the_package, write_config
from tool import WRONG, Run, ledgers, published

DONE = 0
RUN, RECOVER, TIMER = "holdstill.service", "holdstill-recover.service", "holdstill.timer"
DRILL, WEEKLY = "holdstill-drill.service", "holdstill-drill.timer"
PUBLISHED = "4d191de6b238472ba352c241424ede6b"  # MESSAGE_ID, as the README has them
FAILED = "1466f23bcc2440c8ae8c15312f50e9c4"
SLOW = {"bandwidth_max": "3MiB"}  # of some 30 MiB
UNIT_S_MAX = 120
FIRES_S_MAX = 60
EVERY_S = 10
EXPOSURE_MAX = 5.0


@contextmanager
def installed(world, **sections):
    """The package, with a configuration where its units look for it."""
    if os.readlink("/proc/1/exe") != "/usr/lib/systemd/systemd":
        raise NotRun("systemd is not the first process here: run it in bookworm-systemd")
    run("rm", "-rf", STATE, ETC)
    run("dpkg", "-i", the_package())
    try:
        write_config(world.replica, **sections)
        yield
    finally:
        run("systemctl", "stop", TIMER, RUN, check=False)
        run("dpkg", "--purge", "holdstill", check=False)
        run("rm", "-rf", ETC)
    world.require_clean_slate()


def shown(unit, *names):
    """Properties of a unit."""
    lines = run("systemctl", "show", unit, *(f"--property={name}" for name in names)).splitlines()
    return dict(line.split("=", 1) for line in lines)


def entries(message_id):
    """What the journal has of such an end, oldest first."""
    run("journalctl", "--sync")
    lines = run("journalctl", "-o", "json", "-u", RUN, f"MESSAGE_ID={message_id}").splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


def said():
    return run("journalctl", "-o", "cat", "-u", RUN, "-u", RECOVER, "-n", "40")


def started(unit):
    """Starts it, and waits until it has ended."""
    run("systemctl", "start", unit, timeout=UNIT_S_MAX, check=False)
    ended = shown(unit, "Result", "ExecMainStatus")
    expect(ended == {"Result": "success", "ExecMainStatus": "0"}, f"{unit}: {ended}: {said()}")


def unit_takes_a_backup(world):
    """With all of the unit's limits; the journal has one entry with its fields."""
    before = published()
    with installed(world):
        started(RUN)
        [backup] = published() - before
        entry = entries(PUBLISHED)[-1]
    expect(entry["HOLDSTILL_RUN"] == backup, f"{entry}")
    expect(entry["HOLDSTILL_EXIT"] == "0" and entry["PRIORITY"] in ("5", "6"), f"{entry}")
    expect(int(entry["HOLDSTILL_LOCKED_MS"]) > 0, f"{entry}")
    expect(backup in entry["HOLDSTILL_BACKUP"] and backup in entry["MESSAGE"], f"{entry}")
    return {"locked_ms": entry["HOLDSTILL_LOCKED_MS"]}


@contextmanager
def copying(world):
    """A run of the unit whose copy takes a while."""
    with installed(world, copy=SLOW):
        run("systemctl", "start", "--no-block", RUN)
        until(UNIT_S_MAX, lambda: status().startswith("copy: "), "the status to show the copy")
        yield status()


def status():
    return shown(RUN, "StatusText")["StatusText"]


def state():
    return shown(RUN, "ActiveState")["ActiveState"]


def unit_is_stopped(world):
    """`systemctl stop` while it copies: rolled back, and the journal says so."""
    before = published()
    with copying(world) as shows:
        began = time.monotonic()
        run("systemctl", "stop", RUN, timeout=UNIT_S_MAX)
        took = time.monotonic() - began
        entry = entries(FAILED)[-1]
        expect(not ledgers(), f"a ledger is left: {said()}")
    expect(entry["HOLDSTILL_EXIT"] == "143" and entry["HOLDSTILL_PHASE"] == "copy", f"{entry}")
    expect(published() == before, "a stopped run changed what is published")
    return {"status": f"'{shows}'", "took_s": f"{took:.1f}"}


def unit_is_killed(world):
    """SIGKILL to the run: what the unit does afterwards settles it."""
    before = published()
    with copying(world):
        run("systemctl", "kill", "--signal=SIGKILL", "--kill-whom=main", RUN)
        until(UNIT_S_MAX, lambda: state() == "failed", "the unit to end")
        expect(not ledgers(), f"a ledger is left: {said()}")
        run("systemctl", "reset-failed", RUN)
    expect(published() == before, "a killed run changed what is published")
    return {}


def timer_fires(world):
    """As it is enabled, at another time of day."""
    often = Path("/run/systemd/system") / f"{TIMER}.d"
    before = published()
    with installed(world):
        often.mkdir(parents=True)
        (often / "often.conf").write_text(
            f"[Timer]\nOnCalendar=\nOnCalendar=*:*:0/{EVERY_S}\nRandomizedDelaySec=0\n"
            "AccuracySec=1s\n"
        )
        run("systemctl", "daemon-reload")
        run("systemctl", "enable", "--now", TIMER)
        try:
            until(FIRES_S_MAX, lambda: published() - before, f"a backup: {said()}")
            run("systemctl", "disable", "--now", TIMER)
            until(UNIT_S_MAX, lambda: state() == "inactive", "the run to end")
        finally:
            run("rm", "-r", often)
            run("systemctl", "daemon-reload")
    return {"backups": len(published() - before)}


def recover_unit_settles(world):
    """As at boot: it comes when there is a ledger, and not when there is none."""
    with installed(world):
        started(RECOVER)
        expect(not recovered(), "it ran for nothing")
        held = Run("backup", CONFIG, WRONG, HOLDSTILL_HOLD_AT="copy").wait_until_held("copy")
        os.kill(held.process.pid, signal.SIGKILL)
        held.wait()
        expect(ledgers(), "the killed run has left no ledger")
        started(RECOVER)
        until(UNIT_S_MAX, recovered, "the journal to have its words")
        expect(not ledgers(), f"a ledger is left: {said()}")
    return {}


def recovered():
    return "nothing is left" in run("journalctl", "-o", "cat", "-u", RECOVER)


def unit_drills_a_backup(world):
    """With all of the unit's limits a private server starts on the newest backup."""
    with installed(world):
        started(RUN)
        started(DRILL)
        told = run("journalctl", "-o", "cat", "-u", DRILL, "-n", "20")
        expect("sound: a server was ready on it" in told, told)


def units_are_sound(world):
    """By systemd's own judgement."""
    with installed(world):
        units = (RUN, RECOVER, TIMER, DRILL, WEEKLY)
        words = run("systemd-analyze", "verify", "--man=no", *units, check=False)
        about_us = [line for line in words.splitlines() if "holdstill" in line]
        expect(not about_us, f"{about_us}")
        exposed = {}
        for unit in units[:2]:
            told = run("systemd-analyze", "security", "--no-pager", unit)
            exposed[unit] = float(told.rsplit("for " + unit + ":", 1)[1].split()[0])
        expect(max(exposed.values()) <= EXPOSURE_MAX, f"{exposed}")
    return {"exposure": exposed[RUN]}


CASES = [
    unit_takes_a_backup,
    unit_is_stopped,
    unit_is_killed,
    timer_fires,
    recover_unit_settles,
    unit_drills_a_backup,
    units_are_sound,
]
for _case in CASES:
    _case.kind = XFS_BY_GTID
