"""A restored directory is prepared by a private server, and made a replica by it; backups go on
beside a restore, and what it reads is not removed.
"""

import os
import shutil

from base import HOME, expect, fresh_directory, run
from case_backup import XFS_BY_GTID
from case_restore import MARKER, TO, backup_of, fresh
from load import Load, check_invariants
from oracle import RESTORED_NUMBER, catch_up, compare, discard
from server import MARIADB, REPLICA, REPLICATION_PASSWORD, REPLICATION_USER, Server
from tool import WRONG, Run, config, number_of, run_tool

DONE, REFUSED, LEFT, BUSY = 0, 3, 6, 75
PREPARE_S_MAX = 900  # a server of MySQL's takes minutes to start here
LOGIN = HOME / "source.cnf"
QUIET = f"skip-{REPLICA.lower()}-start\n"
# What a server says that has something to recover, and never one that was shut down.
RECOVERS = ("crash recovery", "Read redo log up to", "Crash recovery", "was not shutdown normally")


def restored(command, path, code=DONE):
    command = f"restore {command} --to {TO} --owner mysql:mysql"
    return Run(command, path).wait(PREPARE_S_MAX).ended(code)


def started(world):
    return Server("restored", RESTORED_NUMBER, TO, world.kind.gtid, extra=QUIET).start()


def whole(done):
    """It is the servers' alone, and nothing of the preparation is left."""
    expect(any(line.startswith("prepared: ") for line in done.out), f"told: {done.out[-12:]}")
    expect(not (TO / MARKER).exists(), "the marker is still there")
    expect(not list(TO.glob(".holdstill*")), "something of the preparation is left")
    strange = run("find", TO, "(", "!", "-user", "mysql", "-o", "!", "-group", "mysql", ")")
    expect(not strange.strip(), f"not the server's: {strange}")


def restore_is_prepared(world):
    """Under load: the server that starts on it has nothing to recover."""
    fresh()
    with Load(world.primary):
        backup, path = backup_of(world.replica)
    files = sorted(backup.rglob("*"))
    before = world.replica.process.pid
    done = restored(f"{backup.name} --prepare", path)
    whole(done)
    expect(sorted(backup.rglob("*")) == files, "the backup was touched")
    server = started(world)
    try:
        said = server.log()
        found = [line for line in said.splitlines() if any(word in line for word in RECOVERS)]
        expect(not found, f"it recovers: {found[:3]}")
        check_invariants(server)
    finally:
        discard(server)
    same = world.replica.process.pid == before and world.replica.process.poll() is None
    expect(same, "production's server has ended, or is another one")
    world.require_clean_slate()
    [told] = [line for line in done.out if line.startswith("prepared: ")]
    return {"told": told}


def restore_is_prepared_anew(world):
    """A redo log that is none: root's, marked, told; and the same command mends it afterwards."""
    fresh()
    backup, path = backup_of(world.replica)
    tree = next(found.parent for found in backup.rglob("ibdata1"))
    logs = [*tree.glob("ib_logfile*"), *tree.glob("#innodb_redo/#ib_redo*")]
    kept = {log: (log.stat(), log.read_bytes()) for log in logs}
    for log in logs:
        with log.open("r+b") as file:
            file.write(b"\xa5" * 8192)
    done = restored(f"{backup.name} --prepare --damaged", path, LEFT)
    told = "\n".join(done.err)
    expect("is not restored (prepare)" in told and "empties it" in told, f"told: {told}")
    expect((TO / MARKER).exists() and TO.stat().st_uid == 0, "a server could start on it")
    for log, (seen, content) in kept.items():
        log.write_bytes(content)
        os.utime(log, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    whole(restored(f"{backup.name} --prepare --damaged", path))
    shutil.rmtree(backup)
    fresh()
    world.require_clean_slate()
    return {"logs": len(logs)}


def restore_is_killed_when_ready(world):
    """Among its last acts, with a second directory whose marker is gone: the same command empties nothing, and
    tells the command that ends it."""
    fresh()
    beside, other = world.replica.datadir / "beside", HOME / "other"
    fresh_directory(beside)
    shutil.rmtree(other, ignore_errors=True)
    (beside / "kept").write_text("by its side\n")
    path = config(world.replica)
    backup = run_tool("backup", path).ended(DONE).published()
    command = f"restore {backup.name} --prepare --to {TO} --owner mysql:mysql --tree tree/beside={other}"

    try:
        killed = Run(command, path, WRONG, HOLDSTILL_HOLD_AT="unmarked").wait_until_held("unmarked")
        killed.process.kill()
        killed.wait()
        there = [(TO / MARKER).exists(), (other / MARKER).exists()]
        expect(there == [True, False], f"markers: {there}")
        told = "\n".join(Run(command, path).wait().ended(REFUSED).err)
        expect("was interrupted when everything was ready" in told, f"told: {told}")
        [hint] = [line for line in told.splitlines() if "rm --force" in line]
        run(*hint[hint.index("rm --force") :].split())
        expect(not (TO / MARKER).exists(), f"it ends nothing: {hint}")
        expect((other / "kept").exists() and TO.stat().st_uid != 0, "it is not given to its owner")
        server = started(world)
        try:
            check_invariants(server)
        finally:
            discard(server)
    finally:
        shutil.rmtree(beside)
        shutil.rmtree(other, ignore_errors=True)
        fresh()
    shutil.rmtree(backup)
    world.require_clean_slate()


def applied(world, of, login):
    """Restored, prepared and made a replica: it only has to be started."""
    fresh()
    with Load(world.primary) as load:
        backup, path = backup_of(of)
        load.calm_down()
        done = restored(f"{backup.name} --apply {login}", path)
        whole(done)
        said = "\n".join(done.out + done.err)
        expect(REPLICATION_PASSWORD not in said, "the password is told")
        server = started(world)
        try:
            expect(not server.applies(), "it replicates by itself")
            server.sql("START ALL SLAVES" if MARIADB else "START REPLICA")
            load.stop()
            seconds = catch_up(server, world.primary)
            tables = len(compare(server, world.primary))
        finally:
            discard(server)
    world.require_clean_slate()
    return {"caught_up_s": f"{seconds:.1f}", "tables": tables}


def restore_is_applied(world):
    """Of a replica: as the account that its files keep."""
    return applied(world, world.replica, "")


def restore_is_applied_to_a_source(world):
    """Of a server without a source: as an account from a file."""
    LOGIN.unlink(missing_ok=True)
    LOGIN.touch(mode=0o600)
    LOGIN.write_text(
        f"[client]\nhost=127.0.0.1\nport={world.primary.port}\n"
        f"user={REPLICATION_USER}\npassword={REPLICATION_PASSWORD}\n"
    )
    fresh()
    backup, path = backup_of(world.primary)
    done = restored(f"{backup.name} --apply", path, REFUSED)
    expect("--source-login" in "\n".join(done.err), f"told: {done.err}")
    expect(not TO.exists(), "a refusal touched something")
    return applied(world, world.primary, f"--source-login {LOGIN}")


def restore_lets_backups_go_on(world):
    """A backup and a second restore beside one that is held; only a removal waits."""
    fresh()
    backup, path = backup_of(world.replica)
    other = HOME / "other"
    shutil.rmtree(other, ignore_errors=True)
    command = f"restore {backup.name} --to {TO}"
    first = Run(command, path, WRONG, HOLDSTILL_HOLD_AT="9999").wait().ended(DONE)
    acts = [line.split(" ms  ", 1)[1] for line in first.out if " ms  " in line]
    number = number_of(acts, "rsync")
    fresh()
    held = Run(command, path, WRONG, HOLDSTILL_HOLD_AT=str(number)).wait_until_held(number)
    try:
        path = config(world.replica, retention={"keep_last": 1})
        told = "\n".join(run_tool("prune", path).ended(BUSY).err)
        expect(f"a restore of backup '{backup.name}'" in told, f"told: {told}")
        beside = run_tool("backup", path).ended(DONE)
        told = "\n".join(beside.err)
        expect("no old backup is removed: a restore" in told, f"told: {told}")
        run_tool(f"restore {backup.name} --to {other}", path).ended(DONE)
        expect(backup.exists(), "what is restored was removed")
    finally:
        held.process.kill()
        held.wait()
        shutil.rmtree(other, ignore_errors=True)
        fresh()
    run_tool("prune", path).ended(DONE)
    expect(not backup.exists(), "nothing was removed afterwards")
    world.require_clean_slate()
    return {"held_before": acts[number - 1][:60]}


CASES = [
    restore_is_prepared,
    restore_is_prepared_anew,
    restore_is_killed_when_ready,
    restore_is_applied,
    restore_is_applied_to_a_source,
    restore_lets_backups_go_on,
]
for _case in CASES:
    _case.kind = XFS_BY_GTID
