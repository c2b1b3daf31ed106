"""A backup becomes a data directory again: a replica made of it by what the restore prints, refusals
that touch nothing, interruptions that the same command finishes, and damage that is named.
"""

import os
import shutil
import signal
import time

from base import BACKUPS, HOME, expect, fresh_directory, run, until
from case_backup import XFS_BY_GTID
from load import Load, check_invariants
from oracle import (
    RESTORED_NUMBER,
    Broken,
    as_operator,
    catch_up,
    compare,
    discard,
)
from server import REPLICA, Server
from tool import RELEASED, WRONG, Run, config, number_of, run_tool

DONE, REFUSED, LEFT = 0, 3, 6
TO = HOME / "restored"
STATEMENTS = HOME / "attach.sql"
MARKER = ".holdstill-restore.json"
MIDDLE_S_MAX = 60


def fresh():
    """There is nothing to restore to, nor any statements."""
    shutil.rmtree(TO, ignore_errors=True)
    STATEMENTS.unlink(missing_ok=True)


def backup_of(server):
    """A new backup, and the configuration that made it."""
    path = config(server)
    return run_tool("backup", path).ended(DONE).published(), path


def differences(backup):
    """What rsync would still change: content, owners, modes, times. auto.cnf is left out."""
    tree = backup / "tree"
    datadir = next(path.parent for path in tree.rglob("ibdata1"))
    told = run(
        "rsync", "--archive", "--acls", "--xattrs", "--checksum", "--dry-run", "--delete",
        "--itemize-changes", "--exclude=/auto.cnf", "--omit-dir-times", f"{datadir}/", f"{TO}/",
    )  # fmt: skip
    extended = [f"{path}: {os.listxattr(path)}" for path in (datadir, TO)]
    lines = [line for line in told.splitlines() if line.strip()]
    return lines and lines + extended


def becomes_a_replica(world, of, edit):
    """Under load: restored, started, attached by the statements that were written, and equal."""
    fresh()
    os.setxattr(of.datadir, "user.note", b"kept")
    with Load(world.primary) as load:
        backup, path = backup_of(of)
        load.calm_down()
        command = f"restore {backup.name} --to {TO} --write-statements {STATEMENTS}"
        done = run_tool(command, path).ended(DONE)
        expect(not (TO / "auto.cnf").exists(), "two servers would have one identity")
        expect(not (TO / MARKER).exists(), "the marker is still there")
        expect(not differences(backup), f"it differs: {differences(backup)[:5]}")
        quiet = f"skip-{REPLICA.lower()}-start\n"
        gtid = world.kind.gtid
        restored = Server("restored", RESTORED_NUMBER, TO, gtid, extra=quiet).start()
        try:
            check_invariants(restored)
            text = STATEMENTS.read_text()
            code, words = restored.feed(as_operator(text, world.primary) if edit else text)
            if code != 0:
                raise Broken(f"the statements failed: {words[-300:]}")
            load.stop()
            seconds = catch_up(restored, world.primary)
            tables = len(compare(restored, world.primary))
        finally:
            discard(restored)
    world.require_clean_slate()
    [told] = [line for line in done.out if line.startswith("restored backup")]
    return {"caught_up_s": f"{seconds:.1f}", "tables": tables, "told": told[-120:]}


def restored_replica_follows(world):
    """Of a replica: one more replica of its source, with nothing to fill in."""
    return becomes_a_replica(world, world.replica, edit=False)


def restored_source_follows(world):
    """Of a server without a source: its replica, where address and account are filled in."""
    return becomes_a_replica(world, world.primary, edit=True)


def listing(*tops):
    """Every path, with what tells whether it was touched."""
    found = {}
    for top in tops:
        for path in [top, *top.rglob("*")]:
            seen = path.lstat()
            found[str(path)] = (seen.st_ino, seen.st_mode, seen.st_size, seen.st_mtime_ns)
    return found


def restore_refuses(world):
    """What is no place for a backup is refused before anything is touched."""
    fresh()
    backup, path = backup_of(world.replica)
    full, small = fresh_directory(HOME / "full"), fresh_directory(HOME / "small")
    (full / "mine").write_text("mine")
    run("mount", "-t", "tmpfs", "-o", "size=1M,mode=0700", "none", small)
    datadir = world.replica.datadir
    try:
        before = listing(BACKUPS, full, small)
        for to, words in (
            (full, "it is not empty: 'mine'"),
            (datadir, "a running server uses"),
            (datadir / "new", "a running server uses"),
            (BACKUPS / "new", "backups are in"),
            (small, "too little space"),
            (HOME / "nowhere" / "new", "there is no"),
        ):
            there = to.exists()
            done = run_tool(f"restore newest --to {to}", path).ended(REFUSED)
            told = "\n".join(done.err)
            expect(words in told and "hint: " in told, f"'{to}': {told}")
            expect(to.exists() == there, f"'{to}' was made")
        expect(listing(BACKUPS, full, small) == before, "a refusal touched something")
        run_tool(f"restore {backup.name} --to {TO} --dry-run", path).ended(DONE)
        expect(not TO.exists(), "asking touched something")
    finally:
        run("umount", small)
    world.require_clean_slate()
    return {"refusals": 6}


def restore_is_killed(world):
    """In the middle of the copy, and before acts that matter: the same command finishes."""
    fresh()
    backup, path = backup_of(world.replica)
    command = f"restore {backup.name} --to {TO}"
    whole = Run(command, path, WRONG, HOLDSTILL_HOLD_AT="9999").wait().ended(DONE)
    acts = [line.split(" ms  ", 1)[1] for line in whole.out if " ms  " in line]
    chowns = [number for number, act in enumerate(acts, 1) if act.startswith("chown ")]
    removes = [number for number, act in enumerate(acts, 1) if act.endswith(MARKER)]
    points = [number_of(acts, "rsync"), number_of(acts, "sync "), chowns[-1], removes[-1]]
    for number in points:
        fresh()
        held = Run(command, path, WRONG, HOLDSTILL_HOLD_AT=str(number)).wait_until_held(number)
        killed(held, f"act {number}")
        finished(backup, command, path, f"killed before act {number}: {acts[number - 1]}")
    fresh()
    going = Run(command, path, RELEASED)
    until(MIDDLE_S_MAX, lambda: (TO / "ibdata1").exists(), "the copy to begin")
    killed(going, "the middle of the copy")
    # What rsync had in hand ends with us; it must not go on beside the next one.
    time.sleep(0.5)
    finished(backup, command, path, "killed in the middle of the copy")
    return {"killed": len(points) + 1}


def killed(process, where):
    os.kill(process.process.pid, signal.SIGKILL)
    process.wait()
    expect((TO / MARKER).exists(), f"{where}: nothing says that it is not whole")


def finished(backup, command, path, why):
    run_tool(command, path).ended(DONE)
    expect(not (TO / MARKER).exists(), f"{why}: the marker is still there")
    expect(not differences(backup), f"{why}: it differs: {differences(backup)[:5]}")


def restore_names_a_flipped_bit(world):
    """Sizes and times stay as they were: only the sums can tell. Nothing is whole after it, and the
    newest backup is another one from then on."""
    fresh()
    sound, _ = backup_of(world.replica)
    backup, path = backup_of(world.replica)
    [bad] = backup.glob("tree/**/lab/journal.ibd")
    seen, name = bad.stat(), bad.relative_to(backup)
    with bad.open("r+b") as file:
        file.seek(seen.st_size // 2)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 1]))
    os.utime(bad, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    done = run_tool(f"restore newest --to {TO}", path).ended(LEFT)
    told = "\n".join(done.err)
    expect(f"changed content: '{name}'" in told, f"does not name '{name}': {told}")
    expect((TO / MARKER).exists(), "nothing says that it is not whole")
    expect(TO.stat().st_mode & 0o777 == 0o700, "a server could start on it")
    expect(TO.stat().st_uid == 0, "a server could start on it")
    fresh()
    done = run_tool(f"restore {backup.name} --to {TO}", path).ended(REFUSED)
    expect("--damaged" in "\n".join(done.err), f"does not say what helps: {done.err}")
    done = run_tool(f"restore newest --to {TO}", path).ended(DONE)
    expect(not differences(sound), f"not the sound one: {differences(sound)[:5]}")
    shutil.rmtree(backup)
    fresh()
    world.require_clean_slate()
    return {"named": str(name)}


def restored_table_is_imported(world):
    """One table, taken out of a backup while others write, and imported by another server."""
    fresh()
    with Load(world.primary):
        backup, path = backup_of(world.replica)
        run_tool(f"restore {backup.name} --to {TO}", path).ended(DONE)
        out = HOME / "table"
        shutil.rmtree(out, ignore_errors=True)
        command = f"restore {backup.name} --table lab.journal --to {out}"
        done = run_tool(command, path).ended(DONE)
        run_tool(command, path).ended(REFUSED)  # it is there
        run_tool(f"restore {backup.name} --table lab.nothing --to {HOME}/none", path).ended(REFUSED)
        expect(not (HOME / "none").exists(), "a table that is not there has left a directory")
    files = sorted(file.name for file in out.iterdir() if file.suffix in (".ibd", ".cfg"))
    expect(files == ["journal.cfg", "journal.ibd"], f"taken out: {files}")
    quiet = f"skip-{REPLICA.lower()}-start\n"
    whole = Server("restored", RESTORED_NUMBER, TO, world.kind.gtid, extra=quiet).start()
    target = Server("target", RESTORED_NUMBER - 1, fresh_directory(HOME / "target"), world.kind.gtid)
    target.fill()
    target.start()
    try:
        told = "CHECKSUM TABLE lab.journal"
        code, words = target.feed((out / "1-discard.sql").read_text())
        expect(code == 0, f"the table is not made: {words[-300:]}")
        for name in files:
            run("install", "-o", "mysql", "-g", "mysql", "-m", "640", out / name,
                target.datadir / "lab")  # fmt: skip
        code, words = target.feed((out / "2-import.sql").read_text())
        expect(code == 0, f"the table is not imported: {words[-300:]}")
        expect("OK" in words, f"CHECK TABLE says: {words}")
        theirs, ours = whole.sql(told)[0]["Checksum"], target.sql(told)[0]["Checksum"]
        expect(theirs == ours, f"the table has the checksum {ours} instead of {theirs}")
        rows = target.value("SELECT COUNT(*) FROM lab.journal")
        expect(rows > 0, "the table is empty")
    finally:
        target.stop()
        discard(whole)
        for name in ("target", "table"):
            shutil.rmtree(HOME / name, ignore_errors=True)
    world.require_clean_slate()
    return {"rows": rows, "told": done.out[-1][-80:]}


CASES = [
    restored_table_is_imported,
    restored_replica_follows,
    restored_source_follows,
    restore_refuses,
    restore_is_killed,
    restore_names_a_flipped_bit,
]
for _case in CASES:
    _case.kind = XFS_BY_GTID
