"""Backups under four writers, each proven by an attached replica that equals its source."""

from load import Load
from oracle import prove
from tool import config, run_tool
from world import Kind

XFS_BY_GTID = Kind(replica="xfs", primary="ext4", gtid=True)
EXT4_BY_POSITION = Kind(replica="ext4", primary="xfs", gtid=False, delay_s=1)


def backup_and_prove(world, server, look_at=lambda backup: {}, **sections):
    """A backup, what `look_at` finds in it, and the whole proof."""
    with Load(world.primary) as load:
        run = run_tool("backup", config(server, **sections)).ended(0)
        backup = run.published()
        seen = look_at(backup)
        figures = run.window() | seen | {
            "worst_commit_ms": round(load.worst_ms(run.began)),
            "took_s": f"{run.seconds:.1f}",
        }
        # A backup of the primary becomes its replica: where to find it is the operator's to say.
        figures |= prove(backup, world.primary, load, world.kind.gtid, edit=server is world.primary)
    world.require_clean_slate()
    run_tool("list", config(server, **sections)).ended(0)
    return figures


def replica_xfs_gtid(world):
    return backup_and_prove(world, world.replica)


def alone_ext4_gtid(world):
    return backup_and_prove(world, world.primary)


def replica_ext4_position(world):
    return backup_and_prove(world, world.replica)


def alone_xfs_position(world):
    return backup_and_prove(world, world.primary)


replica_xfs_gtid.kind = alone_ext4_gtid.kind = XFS_BY_GTID
replica_ext4_position.kind = alone_xfs_position.kind = EXT4_BY_POSITION
CASES = [replica_xfs_gtid, alone_ext4_gtid, replica_ext4_position, alone_xfs_position]
