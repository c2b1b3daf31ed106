"""The world that a case runs in: a primary and its replica, each on its own logical volume.

A case names the world that it needs; the world is kept for the next case that needs the same one
and built anew after a case that failed.
"""

import time
from dataclasses import dataclass

import storage
import tool
from base import HOME, expect, run, until
from oracle import has_mark, leave_mark
from load import create_schema
from server import MARIADB, REPLICATION_PASSWORD, REPLICATION_USER, Server


@dataclass(frozen=True)
class Kind:
    """Filesystems of the two volumes, and how the replica knows its place."""

    replica: str = "xfs"
    primary: str = "ext4"
    gtid: bool = True
    volume: str = "thick"  # or thin, both in one pool
    delay_s: int = 0  # a delayed replica: the receiver is always ahead of the applier


class World:
    def __init__(self, kind, asleep=False):
        """Built anew, or started again where its disks are mounted already."""
        self.kind = kind
        self.primary = self.replica = None
        try:
            self._start_again() if asleep else self._build()
        except BaseException:
            self.tear_down()
            raise

    def _build(self):
        kind = self.kind
        storage.make_group()
        storage.mount_destination()
        self.primary = self._server("primary", 1, kind.primary)
        self.replica = self._server("replica", 2, kind.replica)
        self.primary.start()
        self.replica.start()
        self._populate()
        self.replica.make_replica_of(self.primary, kind.gtid, kind.delay_s)
        mark = leave_mark(self.primary)
        until(
            60,
            lambda: has_table(self.replica) and has_mark(self.replica, mark),
            "the replica to follow",
        )

    def _start_again(self):
        for name, number in (("primary", 1), ("replica", 2)):
            setattr(self, name, Server(name, number, HOME / name, self.kind.gtid))
        self.primary.start()
        self.replica.start()
        until(60, self.replica.applies, "the replica to follow again")

    def _server(self, name, number, filesystem):
        datadir = storage.make_volume(name, filesystem, self.kind.volume)
        server = Server(name, number, datadir, self.kind.gtid)
        server.fill()
        return server

    def _populate(self):
        user = f"{REPLICATION_USER}@'127.0.0.1'"
        encrypted = "" if MARIADB else "REQUIRE SSL"
        self.primary.sql(
            f"CREATE USER {user} IDENTIFIED BY '{REPLICATION_PASSWORD}' {encrypted}",
            f"GRANT REPLICATION SLAVE ON *.* TO {user}",
        )
        tool.create_user(self.primary)
        create_schema(self.primary)

    def tear_down(self):
        thaw()  # a server that hangs in the kernel cannot even be killed
        for server in (self.replica, self.primary):
            if server:
                server.stop()
        sweep_up()

    def fingerprint(self):
        """All that a run which touches nothing must leave as it was."""
        return {
            "volumes": storage.volumes(),
            "nodes": storage.nodes(),
            "destination": sorted(path.name for path in storage.BACKUPS.iterdir()),
            "ledgers": tool.ledgers(),
            "replica applies": self.replica.applies(),
            "applier starts and stops": self.replica.log().lower().count("sql thread"),
        }

    def require_clean_slate(self):
        """Nothing of a run is left behind, and the servers do what they did before."""
        until(10, lambda: not self.sessions_of_ours(), "the sessions of holdstill to end")
        extra = set(storage.volumes()) - storage.VOLUMES - {storage.POOL}
        expect(not extra, f"volumes left behind: {sorted(extra)}")
        extra = {node for node in storage.nodes() if not storage.is_known(node)}
        expect(not extra, f"device-mapper nodes left behind: {sorted(extra)}")
        known = {str(HOME / name) for name in storage.VOLUMES}
        extra = {mount for mount in storage.mounts_of_the_group() if mount[1] not in known}
        expect(not extra, f"mounts left behind: {sorted(extra)}")
        expect(not tool.ledgers(), f"ledgers left behind: {sorted(tool.ledgers())}")
        expect(not tool.unpublished(), f"partial backups left behind: {sorted(tool.unpublished())}")
        expect(self.replica.applies(), "the replica's SQL thread does not run")
        mark = leave_mark(self.primary)  # writable, and the replica still follows
        until(60, lambda: has_mark(self.replica, mark), "the replica to follow again")

    def sessions_of_ours(self):
        return [
            row
            for server in (self.primary, self.replica)
            for row in server.sql("SHOW PROCESSLIST")
            if row["User"].startswith(tool.USER)
        ]


def has_table(server):
    return bool(
        server.sql(
            "SELECT 1 FROM information_schema.tables "
            "WHERE table_schema = 'lab' AND table_name = 'mark'"
        )
    )


def thaw():
    """Lets every device and filesystem of the group go on, whoever stopped it."""
    for node in sorted(storage.nodes(), key=len, reverse=True):
        run("dmsetup", "resume", node, check=False)
    for _, mount_point in storage.mounts_of_the_group():
        run("fsfreeze", "-u", mount_point, check=False)


def sweep_up():
    """Whatever a failed case may have left: the next world must not meet it."""
    tool.end_all()
    for _, mount_point in storage.mounts_of_the_group():
        run("umount", "-l", mount_point, check=False)
    for name in sorted(set(storage.volumes()) - storage.VOLUMES):
        run("lvremove", "-qq", "-y", f"{storage.VG}/{name}", check=False)
    for name in storage.VOLUMES:
        storage.remove_volume(name)
    for partial in storage.BACKUPS.glob(".*.partial"):
        run("rm", "-rf", partial)
    run("rm", "-rf", tool.STATE)
    time.sleep(0.2)


_current = None


def have(kind):
    """The world of this kind, the one at hand if it will do."""
    global _current
    if _current is None or _current.kind != kind:
        forget()
        _current = World(kind)
    return _current


def attach_disks():
    """After a boot: the group's volumes and the destination, where they were."""
    run("vgchange", "-qq", "-ay", storage.VG)
    run("udevadm", "settle")
    for name in sorted(storage.VOLUMES):
        run("mount", f"/dev/{storage.VG}/{name}", HOME / name)
    run("mount", storage.DESTINATION_DISK, storage.BACKUPS)


def awake(kind):
    """The world that there was before the boot."""
    global _current
    _current = World(kind, asleep=True)
    return _current


def forget():
    global _current
    if _current is not None:
        _current.tear_down()
    _current = None
