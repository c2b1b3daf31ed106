"""The least power: a run with the capabilities of its unit, and which of them it needs; and where a
password must never be found.
"""

import os
import re
import signal
from pathlib import Path

import tool
from base import BACKUPS, PAYLOAD, STATE, expect, run, until
from case_backup import XFS_BY_GTID
from case_storage import Copying
from tool import PASSWORD, WRONG, Run, config, published

DONE = 0
UNIT = PAYLOAD / "packaging" / "systemd" / "holdstill.service"
RARE = {"fsetid", "ipc_lock", "sys_nice"}
KEEPS_ITS_CORE = Path("/proc/sys/kernel/core_pattern")
CORES = Path("/run/cores")


def capabilities():
    lines = re.findall(r"^CapabilityBoundingSet=(.*)$", UNIT.read_text(), re.MULTILINE)
    words = [word.removeprefix("CAP_").lower() for line in lines for word in line.split()]
    expect(words, "the unit limits no capabilities")
    return words


def with_capabilities(world, words):
    """A whole backup with these alone, by the program itself and by all that it starts."""
    limited = ["setpriv", "--inh-caps=-all", "--no-new-privs"]
    limited += [f"--bounding-set={','.join(['-all', *(f'+{word}' for word in words)])}"]
    script = Path("/run/holdstill-limited")
    script.write_text(f"#!/bin/sh\nexec {' '.join(limited)} {tool.RELEASED} \"$@\"\n")
    script.chmod(0o700)
    return Run("backup", config(world.replica), script).wait()


def least_power(world):
    words = capabilities()
    done = with_capabilities(world, words).ended(DONE)
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
    places = seen_processes()
    under_way.go_on()
    done = under_way.ended(DONE)
    places |= {"its output": "\n".join(done.out + done.err)}
    for root in (STATE, done.published()):
        texts = [path for path in root.rglob("*") if path.suffix in (".json", ".sql", ".resumed")]
        places |= {str(path): path.read_text(errors="replace") for path in texts}
    found = [place for place, text in places.items() if PASSWORD in text]
    expect(not found, f"the password is told by {found}")
    world.require_clean_slate()
    return {"places": len(places)}


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
    os_limit = "ulimit -c unlimited; exec"
    script = Path("/run/holdstill-with-cores")
    script.write_text(f"#!/bin/sh\n{os_limit} {WRONG} \"$@\"\n")
    script.chmod(0o700)
    try:
        control = run("sh", "-c", "ulimit -c unlimited; sh -c 'kill -SEGV $$' || true; ls " + str(CORES))
        expect("core." in control, f"nothing leaves a core here, so this shows nothing: {control}")
        path = config(world.replica)
        held = Run("backup", path, script, HOLDSTILL_HOLD_AT="copy").wait_until_held("copy")
        os.kill(held.process.pid, signal.SIGSEGV)
        held.wait()
        until(5, lambda: held.code is not None, "it to end")
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
