"""The story for a person: a replica under load is backed up, restored, attached, and compared."""

import subprocess
import sys
import time

from base import BACKUPS, expect
from case_backup import XFS_BY_GTID
from load import Load, WRITERS, check_invariants
from oracle import attach, catch_up, compare, discard, manifest, restore
from server import version
from tool import BACKUP_S_MAX, RELEASED, config, published


def demo(world):
    chapter(f"A primary and its replica ({version()}), each on its own LVM volume")
    tell(f"{WRITERS} writers keep transferring money on the primary; the sum must never change.")
    with Load(world.primary) as load:
        time.sleep(2)
        chapter("holdstill backup, of the replica, while they write")
        backup = backup_on_terminal(config(world.replica))
        load.calm_down()
        chapter("Restore it: a private server starts on a copy of the backup")
        restored = restore(backup)
        try:
            check_invariants(restored)
            tell("It recovered; balances sum up, both engines are in step, CHECK TABLE is content.")
            chapter("Attach it as a new replica of the primary, from coordinates.sql")
            print((backup / "coordinates.sql").read_text().strip(), flush=True)
            attach(restored, backup, world.primary, edit=False)
            load.stop()
            tell(f"It caught up {catch_up(restored, world.primary):.1f} s after the last write.")
            chapter("CHECKSUM TABLE on the primary and on the new replica")
            show(compare(restored, world.primary))
        finally:
            discard(restored)
        report(backup, load)
    world.require_clean_slate()
    return {"tables": "equal"}


def chapter(text):
    print(f"\n== {text}", flush=True)


def tell(text):
    print(f"   {text}", flush=True)


def backup_on_terminal(config_path):
    """holdstill gets our own terminal, so that its progress shows as it would for a person."""
    before = published()
    sys.stdout.flush()
    done = subprocess.run(
        [str(RELEASED), "backup", "--config", str(config_path)], timeout=BACKUP_S_MAX
    )
    expect(done.returncode == 0, f"holdstill ended with {done.returncode}")
    return BACKUPS / (published() - before).pop()


def show(rows):
    for name, theirs, ours in rows:
        tell(f"{name:<24} {theirs:>12} {ours:>12}  {'equal' if theirs == ours else 'DIFFERENT'}")


def report(backup, load):
    window, timings = manifest(backup)["window"], manifest(backup)["timings_ms"]
    chapter("Report")
    tell(f"{version()}: the backup is proven: restored, attached, caught up, every table equal.")
    tell(
        f"Writers committed {load.count()} times; the slowest commit took {load.worst_ms():.0f} ms."
    )
    tell(f"The lock: waited {window['waited_ms']} ms, held for {window['locked_ms']} ms.")
    tell("Phases in ms: " + ", ".join(f"{name} {ms}" for name, ms in timings.items()))


demo.kind = XFS_BY_GTID
CASES = [demo]
