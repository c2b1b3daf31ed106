"""Each kind of lock, asked for late and first: the record's times prove the window, and so does
another pair of eyes on the volume. Each is proven in full by a restored and attached copy.
"""

from base import expect
from bench_ways import PRIMARY_DEVICE
from case_backup import XFS_BY_GTID, backup_and_prove
from devmapper import Watch
from oracle import manifest
from server import MARIADB
from tool import CONFIGS, RELEASED, Run, config, run_tool

# What `auto` chooses.
AUTO = "backup-stage" if MARIADB else "ftwrl"
# Runs its arguments with a seccomp filter (linux/seccomp.h, linux/filter.h) by which ptrace, system
# call 101 of x86-64, fails with EPERM (1); every other call is allowed.
POWERLESS = """#!/usr/bin/python3
import ctypes, os, struct, sys
LOAD, JUMP_IF, RETURN = 0x20, 0x15, 0x06
rules = [(LOAD, 0, 0, 0), (JUMP_IF, 0, 1, 101), (RETURN, 0, 0, 0x50001), (RETURN, 0, 0, 0x7FFF0000)]
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *rule) for rule in rules))
program = struct.pack("HxxxxxxQ", len(rules), ctypes.addressof(code))
libc = ctypes.CDLL(None, use_errno=True)
PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2
if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.c_char_p(program), 0, 0):
    sys.exit(f"no filter: {os.strerror(ctypes.get_errno())}")
os.execv(PROGRAM, [PROGRAM, *sys.argv[1:]])
"""
WAYS = [("ftwrl", "late"), ("ftwrl", "first")]
if MARIADB:
    WAYS.append(("backup-stage", "late"))


def window(world, kind, when):
    """A backup whose window is looked at."""
    lock = {"kind": kind, "when": when}
    with Watch(PRIMARY_DEVICE) as watch:
        return backup_and_prove(
            world, world.primary, lambda backup: check(backup, kind, when, watch), lock=lock
        )


def check(backup, kind, when, watch):
    """Raises Failed unless the record tells a window in order, and the watch has seen the same."""
    record = manifest(backup)
    told = record["window"]
    expect(told["lock"] == kind, f"locked by '{told['lock']}' instead of '{kind}'")
    expect(told["when"] == when, f"'{told['when']}' instead of '{when}'")
    proof = told["proof"]
    expect(len(proof["points"]) == 1, f"{len(proof['points'])} snapshot points instead of one")
    point = proof["points"][0]
    expect(point["volume"] == "lab/primary", f"the point of '{point['volume']}'")
    moments = [proof["asked_ns"], proof["granted_ns"], point["seen_ns"]]
    moments += [point["suspended_ns"]] if point["suspended_ns"] is not None else []
    moments += [point["resumed_ns"], proof["proven_ns"], proof["unlocked_ns"]]
    expect(None not in moments and moments == sorted(moments), f"out of order: {proof}")
    expect(point["let_go_ns"] >= proof["granted_ns"], f"let go before the lock: {proof}")
    sums = {
        "waited_ms": proof["granted_ns"] - proof["asked_ns"],
        "locked_ms": proof["unlocked_ns"] - proof["granted_ns"],
    }
    wrong = {name: told[name] for name, ns in sums.items() if told[name] != ns // 1_000_000}
    expect(not wrong, f"{wrong} do not follow from {proof}")
    begun = [begin * 1e9 for begin, _ in watch.intervals]
    inside = [ns for ns in begun if proof["granted_ns"] <= ns <= proof["unlocked_ns"]]
    expect(len(inside) == 1, f"{len(inside)} suspends were seen in the window, not one: {proof}")
    tree = backup / "tree" / record["datadir"].strip("/")
    for name in ("ibdata1", "lab"):
        expect((tree / name).exists(), f"there is no '{name}' in '{tree}'")
    steps = [proof["granted_ns"], point["let_go_ns"], point["resumed_ns"], proof["proven_ns"]]
    names = ("logs_ms", "point_ms", "proof_ms", "unlock_ms")
    spans = zip(steps, [*steps[1:], proof["unlocked_ns"]])
    where = {name: round((end - begin) / 1e6) for name, (begin, end) in zip(names, spans)}
    return {"tries": told["tries"]} | where


def auto_takes(world):
    """Without a word about it the lock is the one that holds clients up least; it comes late."""
    done = run_tool("audit", config(world.primary)).ended(0)
    plan = "\n".join(done.out)
    expect(f"{AUTO}:" in plan, f"the plan does not take {AUTO}: {plan}")
    lock = "BACKUP STAGE BLOCK_COMMIT" if MARIADB else "FLUSH TABLES WITH READ LOCK"
    for word in ("lvconvert", lock):
        expect(word in plan, f"the plan does not show '{word}': {plan}")
    steps = ["hold the shell", "lvconvert", lock, "let the shell of lvm go on"]
    places = [plan.index(step) for step in steps]
    expect(places == sorted(places), f"not in the order {steps}: {plan}")
    return {"took_s": f"{done.seconds:.1f}"}


def untraceable(world):
    """Where this process may not trace another, the lock comes first, and the record says so."""
    path, powerless = config(world.primary), CONFIGS / "powerless"
    powerless.write_text(POWERLESS.replace("PROGRAM", f"'{RELEASED}'"))
    powerless.chmod(0o755)
    done = Run("backup", path, powerless).wait().ended(0)
    told = manifest(done.published())["window"]
    expect(told["when"] == "late, then first", f"the lock came '{told['when']}'")
    expect("cannot hold the shell of lvm" in "\n".join(done.out), f"not told: {done.words()}")
    world.require_clean_slate()
    return {"locked_ms": told["locked_ms"], "took_s": f"{done.seconds:.1f}"}


def _case(kind, when):
    def case(world):
        return window(world, kind, when)

    case.__name__ = f"window_{kind.replace('-', '_')}_{when}"
    return case


CASES = [auto_takes, untraceable, *(_case(kind, when) for kind, when in WAYS)]
for _one in CASES:
    _one.kind = XFS_BY_GTID
