"""The conformance cases in Rust, on this machine's real LVM, filesystem and server."""

import os
import subprocess

import storage
import tool
from base import BACKUPS, HOME, PAYLOAD, NotRun, expect, fresh_directory, run
from case_backup import XFS_BY_GTID

EXECUTABLE = PAYLOAD / "conformance"
S_MAX = 600
THIN = "thin"


def conformance(world):
    if not EXECUTABLE.exists():
        raise NotRun("there is no 'conformance' in the payload")
    tool.config(world.replica)
    make_thin()
    try:
        return run_cases(world)
    finally:
        run("umount", HOME / THIN, check=False)
        run("lvremove", "-qq", "-y", f"{storage.VG}/{storage.POOL}")


def make_thin():
    """A thin volume that is written to, for the cases that need one."""
    storage.make_volume(THIN, "ext4", "thin")
    (HOME / THIN / "something").write_bytes(b"x" * (8 << 20))


def run_cases(world):
    scratch = fresh_directory(BACKUPS / "scratch")
    environment = {
        "HOLDSTILL_LAB_VG": storage.VG,
        "HOLDSTILL_LAB_ORIGIN": "replica",
        "HOLDSTILL_LAB_THIN": THIN,
        "HOLDSTILL_LAB_POOL": storage.POOL,
        "HOLDSTILL_LAB_MOUNT": str(HOME / "replica"),
        "HOLDSTILL_LAB_SOCKET": str(world.replica.socket),
        "HOLDSTILL_LAB_OPTION_FILE": str(tool.CONFIGS / "client.cnf"),
        "HOLDSTILL_LAB_SCRATCH": str(scratch),
    }
    done = subprocess.run(
        [str(EXECUTABLE), "conformance", "--include-ignored", "--test-threads=1", "--nocapture"],
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=S_MAX,
    )
    lines = done.stdout.strip().splitlines()
    if done.returncode != 0:
        print(done.stdout, flush=True)
    expect(done.returncode == 0, f"exit {done.returncode}: {lines[-1] if lines else 'no output'}")
    print(*(line for line in lines if line.startswith(("case: ", "near "))), sep="\n", flush=True)
    expect(" 0 passed" not in lines[-1], "no conformance test ran")
    return {"result": f"'{lines[-1]}'"}


conformance.kind = XFS_BY_GTID
CASES = [conformance]
