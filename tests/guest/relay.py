"""A unix socket between a client and its server, which notes when statements pass.

It tells when a foreign program was given its lock, and when it let go, without the server being
asked anything: a general log or a polled processlist would load the very server that is measured.
"""

import selectors
import socket
import threading
import time

CHUNK = 1 << 16
TICK_S = 0.05


class Relay:
    """`asked(words)` and `answered(words)` are moments on the monotonic clock."""

    def __init__(self, listen_at, server_socket, statements):
        self.listen_at, self.server_socket = listen_at, str(server_socket)
        self.statements = [words.encode() for words in statements]
        self.times = {}  # statement: [asked, answered]
        self.waiting = {}  # the server's end of a connection: the statement it is to answer
        self.selector = selectors.DefaultSelector()
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self):
        self.listen_at.unlink(missing_ok=True)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.listen_at))
        self.listener.listen()
        self.selector.register(self.listener, selectors.EVENT_READ)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.thread.join()
        for key in list(self.selector.get_map().values()):
            key.fileobj.close()
        self.selector.close()

    def asked(self, words):
        return self.times[words.encode()][0]

    def answered(self, words):
        return self.times[words.encode()][1]

    def _serve(self):
        while not self.stopping.is_set():
            for key, _ in self.selector.select(TICK_S):
                if key.fileobj is self.listener:
                    self._accept()
                elif key.fileobj.fileno() >= 0:  # its other end may have closed it just now
                    self._pass_on(key.fileobj, *key.data)

    def _accept(self):
        client, _ = self.listener.accept()
        server = socket.socket(socket.AF_UNIX)
        server.connect(self.server_socket)
        self.selector.register(client, selectors.EVENT_READ, (server, True))
        self.selector.register(server, selectors.EVENT_READ, (client, False))

    def _pass_on(self, end, other, from_client):
        try:
            chunk = end.recv(CHUNK)
        except ConnectionError:
            chunk = b""
        if not chunk:
            return self._close(end, other)
        if not from_client and end in self.waiting:
            self.times[self.waiting.pop(end)].append(time.monotonic())
        for words in self.statements if from_client else ():
            if words in chunk:
                self.times[words] = [time.monotonic()]
                self.waiting[other] = words
        other.sendall(chunk)

    def _close(self, *ends):
        for end in ends:
            self.waiting.pop(end, None)
            self.selector.unregister(end)
            end.close()
