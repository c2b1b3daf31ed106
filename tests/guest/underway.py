"""A run whose copy stands still, so that something can happen to it meanwhile, and how a device is
made to break."""

import os
import signal
import subprocess
from pathlib import Path

import storage
import tool
from base import VG, expect, run, until
from case_thin import copying
from tool import Run, config, published, run_tool

DONE, ROLLED_BACK, PUBLISHED_LEFT, FAILED_LEFT = 0, 4, 5, 6
SEEN_S_MAX = 60
GOES_ON_MS_MAX = 3_000  # a commit may meet the window, or a moment's suspend for an extension
STORE_MIB = 64
HOG = "hog"


class Copying:
    """A run whose copy stands still, so that something can happen to it meanwhile."""

    def __init__(self, server, **sections):
        self.server, self.before, self.hogs = server, published(), 0
        self.path = config(server, **sections)
        self.run = Run("backup", self.path)
        self.rsync = until(SEEN_S_MAX, lambda: copying(self.run), "rsync to begin")
        os.killpg(self.rsync, signal.SIGSTOP)

    def fill(self, mib):
        """The origin is written to, so that its old blocks go to the COW store."""
        filling = self.fill_beside(mib)
        expect(filling.wait() == 0, "the origin takes no writes")
        run("sync", "--file-system", self.server.datadir)

    def fill_beside(self, mib):
        """The same as a process, which hangs where the origin does."""
        # Each stays until the end: the next one would only take over its blocks.
        hog = Path(self.server.datadir) / f"{HOG}.{self.hogs}"
        self.hogs += 1
        words = ("dd", "status=none", "if=/dev/urandom", "bs=1M", f"count={mib}", "oflag=direct")
        return subprocess.Popen([*words, f"of={hog}"])

    def tidy(self):
        for hog in Path(self.server.datadir).glob(f"{HOG}.*"):
            hog.unlink()

    def go_on(self):
        os.killpg(self.rsync, signal.SIGCONT)

    def ended(self, code, *words):
        """Its exit code and what it has to say; nothing of it is published unless it is so."""
        self.run.wait().ended(code)
        self.tidy()
        told = "\n".join(lines_of(self.run))
        missing = [word for word in words if word not in told]
        expect(not missing, f"does not say {missing}: {told}")
        if code not in (DONE, PUBLISHED_LEFT):
            expect(published() == self.before, "a failed run changed what is published")
        return self.run

    def recovered(self):
        """What is left is told by name, and goes when nothing stands in its way any more."""
        expect(tool.ledgers(), "the ledger is not kept")
        return run_tool("recover", self.path).ended(0)


def lines_of(of):
    return list(of.out) + list(of.err)


def snapshot():
    """The device of our snapshot."""
    ours = {name for name in storage.nodes() if name.startswith(f"{VG}-holdstill")}
    plain = [name for name in ours if not name.endswith("-cow")]
    expect(len(plain) == 1, f"our snapshots: {sorted(ours)}")
    return plain[0]


def store_size(size=STORE_MIB, most=None, **more):
    return {"size": f"{size}MiB", "cow_extend_max": f"{most or size}MiB", **more}


def breaks(device, table="error"):
    """Another table under a device, at once; what it was."""
    was = run("dmsetup", "table", device).strip()
    begin, sectors, *rest = was.split()
    target = table.format(rest=" ".join(rest[1:]))
    run("dmsetup", "load", device, "--table", f"{begin} {sectors} {target}")
    run("dmsetup", "suspend", "--nolockfs", "--noflush", device)
    run("dmsetup", "resume", device)
    return was
