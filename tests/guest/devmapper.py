"""Device-mapper asked directly, by its ioctls: is a device suspended, and since when.

The lab's own instrument, so that every way is measured by the same one: `dmsetup` would need
a process for each question. Nothing here knows of LVM. See linux/dm-ioctl.h.
"""

import fcntl
import os
import struct
import threading
import time

CONTROL = "/dev/mapper/control"
DM_DEV_SUSPEND = 0xC138FD06  # resumes as well: without the flag
DM_DEV_STATUS = 0xC138FD07  # as DM_TABLE_STATUS, but no table is written out
DM_SUSPEND_FLAG = 1 << 1
DM_INACTIVE_PRESENT_FLAG = 1 << 6
DM_SKIP_LOCKFS_FLAG = 1 << 10
DM_NOFLUSH_FLAG = 1 << 11
VERSION = (4, 0, 0)
# struct dm_ioctl: version, data_size, data_start, target_count, open_count, flags, event_nr,
# padding, dev, name, uuid, and seven bytes to a multiple of eight.
HEADER = struct.Struct("=3I II I i I I I Q 128s 129s 7x")
FLAGS_AT = 7

POLL_S = 0.001


class Device:
    def __init__(self, name):
        self.name = name.encode()
        self.control = os.open(CONTROL, os.O_RDWR)

    def close(self):
        os.close(self.control)

    def _ask(self, request, flags=0):
        fields = (*VERSION, HEADER.size, 0, 0, 0, flags, 0, 0, 0, self.name, b"")
        answer = fcntl.ioctl(self.control, request, HEADER.pack(*fields))
        return HEADER.unpack(answer)[FLAGS_AT]

    def is_suspended(self):
        return bool(self._ask(DM_DEV_STATUS) & DM_SUSPEND_FLAG)

    def has_inactive_table(self):
        """A new table is loaded, and takes effect with the next suspend and resume."""
        return bool(self._ask(DM_DEV_STATUS) & DM_INACTIVE_PRESENT_FLAG)

    def suspend(self):
        """Freezes the filesystem on the device, and waits for what is under way."""
        self._ask(DM_DEV_SUSPEND, DM_SUSPEND_FLAG)

    def suspend_as_it_is(self):
        """Without freezing, flushing or waiting: what is written from now on simply hangs."""
        self._ask(DM_DEV_SUSPEND, DM_SUSPEND_FLAG | DM_SKIP_LOCKFS_FLAG | DM_NOFLUSH_FLAG)

    def resume(self):
        self._ask(DM_DEV_SUSPEND)


class Watch:
    """Looks at a device once in a millisecond, and keeps the times at which it was suspended.

    What is shorter than a look may be missed: then no suspension was seen, not one of 0 ms.
    """

    def __init__(self, name):
        self.device = Device(name)
        self.intervals = []  # (first seen suspended, first seen resumed), monotonic seconds
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join()
        self.device.close()

    def _look(self):
        # Ahead of everything else on a busy machine, this thread alone (0); it mostly sleeps.
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        since = None
        while not self.stopping.is_set():
            suspended, now = self.device.is_suspended(), time.monotonic()
            if suspended and since is None:
                since = now
            elif not suspended and since is not None:
                self.intervals.append((since, now))
                since = None
            time.sleep(POLL_S)

    def suspended_ms(self, since, until):
        """Of the suspensions that began between two moments; None if none was seen."""
        spans = [end - begin for begin, end in self.intervals if since <= begin <= until]
        return sum(spans) * 1000 if spans else None
