"""What an operator can get wrong: told clearly, with a hint, before anything is touched."""

import os
import shutil
from contextlib import contextmanager
from pathlib import Path

import tool
from base import BACKUPS, HOME, expect, fresh_directory, run
from case_backup import XFS_BY_GTID
from server import MARIADB, Server
from tool import WRONG, Run, config, run_tool

USAGE, REFUSED, BUSY = 2, 3, 75
TINY = HOME / "tiny"
ODD_NUMBER = 5
ODD_REDO = HOME / "replica" / "odd-redo"
# Debian's kernels nest freezes from 6.8 on; the program under test has to find out by itself.
FREEZES_NEST = tuple(map(int, os.uname().release.split("-")[0].split(".")[:2])) >= (6, 8)


@contextmanager
def hidden(*programs):
    """These programs are not there for a while: holdstill looks in the system's own directories
    and not in the caller's PATH."""
    places = [Path(there) for name in programs if (there := shutil.which(name))]
    moved = {place: place.with_name(place.name + ".hidden") for place in places}
    for place, aside in moved.items():
        place.rename(aside)
    try:
        yield
    finally:
        for place, aside in moved.items():
            aside.rename(place)


def refused(world, config_path, codes, *words, without=()):
    """Runs a backup that must be refused: exit code, hint, telling words, and nothing touched."""
    before = world.fingerprint()
    with hidden(*without):
        done = run_tool("backup", config_path)
    told = "\n".join(done.err)
    expect(done.code in codes, f"exit {done.code} instead of {codes}: {done.words()}")
    expect("hint:" in told, f"no hint: {done.words()}")
    missing = [word for word in words if word.lower() not in told.lower()]
    expect(not missing, f"does not say {missing}: {done.words()}")
    after = world.fingerprint()
    expect(after == before, f"touched: {before} became {after}")
    return {"exit": done.code, "took_s": f"{done.seconds:.1f}"}


def error_no_config(world):
    return refused(world, "/nowhere/holdstill.toml", {USAGE}, "/nowhere/holdstill.toml")


def error_unknown_key(world):
    path = config(world.replica, lock={"hold_ms_maxx": 5})
    return refused(world, path, {USAGE}, "hold_ms_maxx", "'hold_ms_max'")


def error_wrong_password(world):
    return refused(
        world, config(world.replica, password="not-it"), {USAGE, REFUSED}, "denied", tool.USER
    )


def error_readable_option_file(world):
    path = config(world.replica)
    os.chmod(tool.CONFIGS / "client.cnf", 0o644)
    return refused(world, path, {USAGE, REFUSED}, "client.cnf", "chmod")


def error_missing_privilege(world):
    user = f"{tool.USER}_poor"
    tool.create_user(world.primary, user, without=("RELOAD",))
    try:
        return refused(world, config(world.primary, user=user), {REFUSED}, "GRANT", "RELOAD", user)
    finally:
        world.primary.sql(f"DROP USER {user}@localhost")


def error_missing_replica_privilege(world):
    user, stop = f"{tool.USER}_meek", (
        "REPLICATION SLAVE ADMIN" if MARIADB else "REPLICATION_SLAVE_ADMIN"
    )
    tool.create_user(world.primary, user, without=(stop,))
    try:
        world.require_clean_slate()  # the user has reached the replica
        return refused(world, config(world.replica, user=user), {REFUSED}, "GRANT", stop, user)
    finally:
        world.primary.sql(f"DROP USER {user}@localhost")


@contextmanager
def odd_server(datadir, extra=""):
    """A third server, where this case wants its files."""
    server = Server("odd", ODD_NUMBER, datadir, extra=extra)
    try:
        server.fill()
        _move_logs(server, extra)
        server.start()
        tool.create_user(server)
        yield server
    finally:
        server.stop()
        shutil.rmtree(datadir, ignore_errors=True)


def _move_logs(server, extra):
    """The redo log goes where the option says, or the server would not start."""
    if not extra:
        return
    target = fresh_directory(Path(extra.split("=")[1].strip()))
    shutil.move(server.datadir / ("ib_logfile0" if MARIADB else "#innodb_redo"), target)
    server.own(target)


def error_not_on_lvm(world):
    with odd_server(HOME / "odd") as server:
        return refused(world, config(server), {REFUSED}, "LVM", str(HOME / "odd"))


@contextmanager
def server_on_two_volumes():
    """Its data is on the primary's volume, and its redo log on the replica's."""
    try:
        with odd_server(
            HOME / "primary" / "odd", f"innodb-log-group-home-dir = {ODD_REDO}\n"
        ) as server:
            yield server
    finally:
        shutil.rmtree(ODD_REDO, ignore_errors=True)


def error_two_volumes(world):
    """One picture of two volumes needs both frozen at once, and a kernel where that nests."""
    with server_on_two_volumes() as server:
        if FREEZES_NEST:
            frozen = [f"fsfreeze --freeze {HOME / name}" for name in ("primary", "replica")]
            return allowed(world, config(server), *frozen)
        return refused(world, config(server), {REFUSED}, "several volumes", "nest", "EBUSY")


def allowed(world, config_path, *words):
    """The audit finds a plan, which shows these words."""
    before = world.fingerprint()
    done = run_tool("audit", config_path).ended(0)
    plan = "\n".join(done.out)
    missing = [word for word in words if word not in plan]
    expect(not missing, f"the plan does not show {missing}: {plan}")
    expect(world.fingerprint() == before, "the audit touched something")
    return {"exit": done.code, "took_s": f"{done.seconds:.1f}"}


def error_no_space_in_group(world):
    return refused(
        world, config(world.replica, snapshot={"size": "100GiB"}), {REFUSED}, "free", "lab"
    )


def error_destination_on_source(world):
    inside = HOME / "replica" / "backups"
    inside.mkdir(exist_ok=True)
    path = config(world.replica, destination={"directory": str(inside)})
    try:
        return refused(world, path, {REFUSED}, str(inside), "on the filesystem it backs up")
    finally:
        shutil.rmtree(inside)


def error_destination_too_small(world):
    fresh_directory(TINY)
    run("mount", "-t", "tmpfs", "-o", "size=16m,mode=0700", "tmpfs", TINY)
    path = config(world.replica, destination={"directory": str(TINY)})
    try:
        figures = refused(world, path, {REFUSED}, str(TINY), "free")
        expect(not list(TINY.iterdir()), "something was left in the destination")
        return figures
    finally:
        run("umount", "-l", TINY)


def error_ledger_on_source(world):
    inside = HOME / "replica" / "state"
    path = config(world.replica, top={"state_dir": str(inside)})
    try:
        figures = refused(world, path, {REFUSED}, str(inside), "state_dir")
        expect(not inside.exists(), "the state directory was made")
        return figures
    finally:
        shutil.rmtree(inside, ignore_errors=True)


def error_no_rsync(world):
    return refused(world, config(world.replica), {REFUSED}, "rsync", "apt", without=["rsync"])


def error_no_lvm(world):
    return refused(
        world, config(world.replica), {REFUSED}, "lvm", "apt", without=["lvs", "lvcreate"]
    )


def error_another_run(world):
    first = Run("backup", config(world.replica), WRONG, HOLDSTILL_HOLD_AT="copy").wait_until_held(
        "copy"
    )
    try:
        before = world.fingerprint()
        second = run_tool("backup", config(world.replica)).ended(BUSY)
        told = "\n".join(second.err)
        expect("hint:" in told and "since" in told, f"does not say since when: {second.words()}")
        expect(world.fingerprint() == before, "the second run touched something")
    finally:
        first.process.terminate()
        first.wait()
    world.require_clean_slate()
    return {"exit": second.code, "took_s": f"{second.seconds:.1f}"}


def audit_touches_nothing(world):
    return allowed(world, config(world.replica), "lvcreate", "rsync", str(BACKUPS))


def everything_at_once(world):
    """Two things that have nothing to do with each other are told in one go."""
    path = config(world.replica, snapshot={"size": "100GiB"}, destination={"directory": "/no/such"})
    return refused(world, path, {REFUSED}, "'/no/such' is not there", "volume group 'lab'")


CASES = [
    error_no_config,
    error_unknown_key,
    error_wrong_password,
    error_readable_option_file,
    error_missing_privilege,
    error_missing_replica_privilege,
    error_not_on_lvm,
    error_two_volumes,
    error_no_space_in_group,
    error_destination_on_source,
    error_destination_too_small,
    error_ledger_on_source,
    error_no_rsync,
    error_no_lvm,
    error_another_run,
    everything_at_once,
    audit_touches_nothing,
]
for _case in CASES:
    _case.kind = XFS_BY_GTID
