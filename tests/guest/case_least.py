"""The least power: a run with the capabilities of its unit, and which of them it needs; and where a
password must never be found.
"""

import os
import re
import signal
from pathlib import Path

import tool
from base import BACKUPS, PAYLOAD, STATE, expect, run
from case_backup import XFS_BY_GTID
from tool import PASSWORD, WRONG, Run, child, config, published
from underway import Copying

DONE = 0
UNIT = PAYLOAD / "packaging" / "systemd" / "holdstill.service"
RARE = {"fsetid", "ipc_lock", "sys_nice", "sys_resource"}
KEEPS_ITS_CORE = Path("/proc/sys/kernel/core_pattern")
CORES = Path("/run/cores")


def capabilities():
    lines = re.findall(r"^CapabilityBoundingSet=(.*)$", UNIT.read_text(), re.MULTILINE)
    words = [word.removeprefix("CAP_").lower() for line in lines for word in line.split()]
    expect(words, "the unit limits no capabilities")
    return words


def with_capabilities(world, words):
    """A whole backup with these alone, by the program itself and by all that it starts."""
    return Run("backup", config(world.replica), limited_to(words, tool.RELEASED)).wait()


def dead_mans_score(world, words):
    """How much the kernel would like to end the dead-man (proc(5), oom_score_adj)."""
    program = limited_to(words, WRONG)
    held = Run("backup", config(world.replica), program, HOLDSTILL_HOLD_AT="locked")
    held.wait_until_held("locked")
    pid = child(held.process.pid, "exe")  # started as /proc/self/exe
    score = int(Path(f"/proc/{pid}/oom_score_adj").read_text())
    held.process.terminate()
    held.wait()
    return score


def limited_to(words, program):
    """A program that runs another one with these capabilities alone."""
    limited = ["setpriv", "--inh-caps=-all", "--no-new-privs"]
    limited += [f"--bounding-set={','.join(['-all', *(f'+{word}' for word in words)])}"]
    script = Path("/run/holdstill-limited")
    script.write_text(f'#!/bin/sh\nexec {" ".join(limited)} {program} "$@"\n')
    script.chmod(0o700)
    return script


def least_power(world):
    """With nothing loaded that lvm would have to load by itself, and with a dead-man that the
    kernel does not end for want of memory."""
    words = capabilities()
    run("modprobe", "--remove", "--all", "dm-snapshot")
    before = re.findall(r"^ExecStartPre=\+-(.*)$", UNIT.read_text(), re.MULTILINE)
    expect(before, "the unit loads no modules")
    for command in before:
        run(*command.split())
    done = with_capabilities(world, words).ended(DONE)
    expect(dead_mans_score(world, words) == -1000, "the dead-man may be ended for want of memory")
    done.published()
    for place in (STATE / "ledger", *BACKUPS.glob("2*")):
        mode = place.stat().st_mode & 0o077
        expect(mode == 0, f"'{place}' is open to others ({mode:03o})")
    world.require_clean_slate()
    return {"capabilities": ",".join(words), "took_s": f"{done.seconds:.1f}"}


def each_power_is_needed(world):
    """Without any single one of them there is no backup, but for those kept for rare cases."""
    words, idle = capabilities(), []
    for word in words:
        done = with_capabilities(world, [other for other in words if other != word])
        if done.code == DONE:
            idle.append(word)
        for name in published() - done.before:
            run("rm", "-rf", BACKUPS / name)
        world.require_clean_slate()
    expect(set(idle) == RARE, f"a backup succeeds without {idle}")
    return {"needed": ",".join(word for word in words if word not in idle)}


def no_secret_is_told(world):
    """While the password is in use and afterwards, by every way that others could read it."""
    under_way = Copying(world.replica)
    places = seen_processes() | texts_below(STATE) | texts_below(BACKUPS)
    expect(any("/ledger/" in place for place in places), "no ledger was looked at")
    under_way.go_on()
    done = under_way.ended(DONE)
    places |= {"its output": "\n".join(done.out + done.err)} | texts_below(done.published())
    found = [place for place, text in places.items() if PASSWORD in text]
    expect(not found, f"the password is told by {found}")
    world.require_clean_slate()
    return {"places": len(places)}


def texts_below(root):
    texts = [path for path in root.rglob("*") if path.suffix in (".json", ".sql", ".resumed")]
    return {str(path): path.read_text(errors="replace") for path in texts}


def seen_processes():
    """What anybody may read of any process, and what root may: arguments and environments."""
    places = {}
    for name in ("cmdline", "environ"):
        for path in Path("/proc").glob(f"[0-9]*/{name}"):
            try:
                places[f"{name} of {path.parent.name}"] = path.read_bytes().decode(errors="replace")
            except OSError:
                pass  # it has ended, or is the kernel's own
    return places


def no_core_is_left(world):
    """A crash leaves no image of its memory, where the password is."""
    CORES.mkdir(exist_ok=True)
    pattern = KEEPS_ITS_CORE.read_text()
    KEEPS_ITS_CORE.write_text(f"{CORES}/core.%e.%p")
    script = Path("/run/holdstill-with-cores")
    script.write_text(f'#!/bin/sh\nulimit -c unlimited; exec {WRONG} "$@"\n')
    script.chmod(0o700)
    try:
        run("sh", "-c", "ulimit -c unlimited; sh -c 'kill -ABRT $$' || true")
        expect(any(CORES.iterdir()), "nothing leaves a core here, so this shows nothing")
        path = config(world.replica)
        held = Run("backup", path, script, HOLDSTILL_HOLD_AT="copy").wait_until_held("copy")
        os.kill(held.process.pid, signal.SIGABRT)
        held.wait().ended(-signal.SIGABRT)
        cores = [core.name for core in CORES.iterdir() if "holdstill" in core.name]
        expect(not cores, f"a core is left: {cores}")
        tool.run_tool("recover", path).ended(DONE)
    finally:
        KEEPS_ITS_CORE.write_text(pattern)
    world.require_clean_slate()
    return {"exit": held.code}


CASES = [least_power, each_power_is_needed, no_secret_is_told, no_core_is_left]
for _case in CASES:
    _case.kind = XFS_BY_GTID
