"""The lab's volume group, its logical volumes, and the destination's own filesystem."""

from pathlib import Path

from base import BACKUPS, DESTINATION_DISK, HOME, PV, VG, run

VOLUME_SIZE = "1200m"  # mkfs.xfs wants 300 MiB at least; the pool leaves room for snapshots
VOLUMES = {"primary", "replica"}
POOL, POOL_SIZE, POOL_MIB = "pool", "4g", 4096


def make_group():
    """Idempotent: everything that an earlier world left in the group goes."""
    if run("vgs", VG, check=False, timeout=60).find("not found") >= 0:
        run("pvcreate", "-qqff", "-y", PV)
        run("vgcreate", "-qq", VG, PV)


def make_volume(name, filesystem, kind="thick"):
    """A fresh volume with a fresh filesystem, mounted at its own mount point, which is returned."""
    if kind == "thin":
        make_pool()
        run("lvcreate", "-qq", "-y", "-n", name, "-V", VOLUME_SIZE, "-T", f"{VG}/{POOL}")
    else:
        run("lvcreate", "-qq", "-y", "-Wy", "-n", name, "-L", VOLUME_SIZE, VG)
    device = f"/dev/{VG}/{name}"
    options = {
        "xfs": ("-q", "-f", "-K"),
        "ext4": ("-q", "-E", "lazy_itable_init=1,lazy_journal_init=1"),
    }
    run(f"mkfs.{filesystem}", *options[filesystem], device)
    mount_point = HOME / name
    mount_point.mkdir(parents=True, exist_ok=True)
    run("mount", device, mount_point)
    return mount_point


def is_known(node):
    """Whether a node is of a volume that is there between the cases, or of the pool's own."""
    pool = f"{VG}-{POOL}"
    of_pool = {pool, f"{pool}-tpool", f"{pool}_tdata", f"{pool}_tmeta"}
    return node in of_pool | {f"{VG}-{name}" for name in VOLUMES}


def pool_percent():
    """How full the pool's data is, and its metadata."""
    fields = "data_percent,metadata_percent"
    told = run("lvs", "--noheadings", "-o", fields, f"{VG}/{POOL}")
    return [float(word) for word in told.split()]


def make_pool():
    """One for all thin volumes; the next world finds it gone, with whatever is not VOLUMES."""
    if POOL not in volumes():
        run("lvcreate", "-qq", "-y", "-T", f"{VG}/{POOL}", "-L", POOL_SIZE)


def remove_volume(name):
    run("umount", "-l", HOME / name, check=False)
    run("udevadm", "settle", check=False)
    run("lvremove", "-qq", "-y", f"{VG}/{name}", check=False)


def volumes():
    """Name and attributes of every volume of the group, by name."""
    lines = run("lvs", "--noheadings", "-o", "lv_name,lv_attr", VG).split("\n")
    return dict(line.split() for line in lines if len(line.split()) == 2)


def nodes():
    """The group's device-mapper nodes, without LVM's hidden ones being hidden."""
    lines = run("dmsetup", "ls").split("\n")
    return {line.split()[0] for line in lines if line.startswith(f"{VG}-")}


def mounts_of_the_group():
    """(source, mount point) of every mount of the group's devices, in any mount namespace."""
    found = set()
    for table in Path("/proc").glob("[0-9]*/mountinfo"):
        try:
            lines = table.read_text().splitlines()
        except OSError:  # the process ended meanwhile
            continue
        for line in lines:
            left, _, right = line.partition(" - ")
            source = right.split()[1]
            if source.startswith(f"/dev/mapper/{VG}-") or source.startswith(f"/dev/{VG}/"):
                found.add((source, left.split()[4]))
    return found


def mount_destination():
    """Made once per guest; backups of one case stay for the next, as they would in real life."""
    BACKUPS.mkdir(exist_ok=True)
    if not BACKUPS.is_mount():
        run("mkfs.ext4", "-q", "-F", DESTINATION_DISK)
        run("mount", DESTINATION_DISK, BACKUPS)
