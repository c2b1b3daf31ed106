"""The other sides of a push, on this machine: an sshd of our own on loopback, and a repository of
restic's behind rclone's REST server. Both end with the case.
"""

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

from base import Failed, expect, fresh_directory, run, until

SSHD = "/usr/sbin/sshd"
ACCOUNT = "vault"
UP_S_MAX = 60


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def listens(port):
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def need(*programs):
    for name in programs:
        expect(shutil.which(name), f"there is no '{name}' in this guest")


class Far:
    """Something that listens; `with` ends it."""

    def __init__(self, home, port=None):
        self.home, self.port, self.process = home, port or free_port(), None

    def start(self):
        self.process = subprocess.Popen(
            [str(word) for word in self.command()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=(self.home / "log").open("a"),
            start_new_session=True,
        )
        until(UP_S_MAX, lambda: listens(self.port), f"'{self.command()[0]}'")
        return self

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(20)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()


class Vault(Far):
    """Another host: its own keys, one user who is not root, one directory."""

    def __init__(self, home):
        need("sshd", "ssh", "rsync")
        super().__init__(fresh_directory(home))
        home.chmod(0o700)
        for name in ("host_key", "key", "strange_key"):
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", home / name)
        if subprocess.run(["id", ACCOUNT], capture_output=True).returncode != 0:
            run("useradd", "--create-home", "--shell", "/bin/sh", ACCOUNT)
            run("usermod", "--password", "*", ACCOUNT)  # no password, which is not locked
        # The user reads its keys and its directory, and nothing else of ours.
        self.far = fresh_directory(Path(f"/home/{ACCOUNT}/far it's"))
        keys = Path(f"/home/{ACCOUNT}/keys")
        keys.write_text((home / "key.pub").read_text())
        run("chown", "-R", f"{ACCOUNT}:", f"/home/{ACCOUNT}")
        self.trust("host_key")
        (home / "sshd_config").write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {home}/host_key\n"
            f"PidFile {home}/pid\nAuthorizedKeysFile {keys}\nStrictModes no\nUsePAM no\n"
            "PasswordAuthentication no\nKbdInteractiveAuthentication no\nPrintMotd no\n"
        )
        Path("/run/sshd").mkdir(exist_ok=True)

    def command(self):
        return [SSHD, "-D", "-e", "-f", self.home / "sshd_config"]

    def trust(self, name):
        """Which host key is believed from now on."""
        key = (self.home / f"{name}.pub").read_text().split()[:2]
        known = self.home / "known_hosts"
        known.write_text(f"[127.0.0.1]:{self.port} {' '.join(key)}\n")
        known.chmod(0o600)

    def place(self, **more):
        return {
            "name": "vault",
            "kind": "ssh",
            "host": "127.0.0.1",
            "port": self.port,
            "user": ACCOUNT,
            "directory": str(self.far),
            "key_file": str(self.home / "key"),
            "known_hosts": str(self.home / "known_hosts"),
            **more,
        }

    def whole(self):
        return {path.name for path in self.far.iterdir() if not path.name.startswith(".")}

    def hidden(self):
        return {path.name for path in self.far.iterdir() if path.name.startswith(".")}

    def damage(self):
        """One bit of the largest file of each backup; its time stays."""
        for backup in self.whole():
            flip(max((self.far / backup).rglob("*.ibd"), key=lambda path: path.stat().st_size))


class Repository(Far):
    """A repository of restic's behind a REST server."""

    def __init__(self, home):
        need("restic", "rclone")
        super().__init__(fresh_directory(home))
        home.chmod(0o700)
        self.files = {"repository": f"rest:http://127.0.0.1:{self.port}/", "password": "it's a word"}
        for name, text in self.files.items():
            (home / name).write_text(text + "\n")
            (home / name).chmod(0o600)
        (home / "data").mkdir()

    def command(self):
        return ["rclone", "--config", self.home / "rclone.conf", "serve", "restic",
                "--addr", f"127.0.0.1:{self.port}", self.home / "data"]  # fmt: skip

    def restic(self, *words):
        return run("restic", "--repository-file", self.home / "repository", "--password-file",
                   self.home / "password", "--no-cache", *words)  # fmt: skip

    def place(self, **more):
        return {
            "name": "cloud",
            "kind": "restic",
            "repository_file": str(self.home / "repository"),
            "password_file": str(self.home / "password"),
            "cache_directory": str(self.home / "cache"),
            **more,
        }

    def damage(self):
        """One bit of the largest pack."""
        packs = [path for path in (self.home / "data" / "data").rglob("*") if path.is_file()]
        flip(max(packs, key=lambda path: path.stat().st_size))


def flip(path):
    before = path.stat()
    with path.open("r+b") as file:
        file.seek(before.st_size // 2)
        byte = file.read(1)[0]
        file.seek(before.st_size // 2)
        file.write(bytes([byte ^ 1]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def underway(process, seen, seconds=60):
    """Waits until something is seen while a process lives."""
    deadline = time.monotonic() + seconds
    while not seen():
        if process.poll() is not None or time.monotonic() > deadline:
            raise Failed("it was never under way")
        time.sleep(0.05)
