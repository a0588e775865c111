"""A server that stands between the tap and the sandbox, and meddles with some connections."""

import itertools
import socket
import threading
from collections.abc import Callable
from contextlib import suppress

from dev.sandbox import Sandbox


class Between:
    """Passes connections on to the sandbox, but for the first ones."""

    def __init__(
        self,
        sandbox: Sandbox,
        *spoil: Callable[[socket.socket], None],
        spoiled_byte: int = -1,
    ) -> None:
        """Listen, until the process ends.

        Args:
            sandbox: Where connections are passed on to.
            spoil: What answers each of the first connections, after something was received.
            spoiled_byte: Which byte from the sandbox is changed in the first connection.
        """
        self.received: list[bytes] = []
        """What came first in each connection that was answered here."""

        self._port = sandbox.server.server_address[1]
        self._spoil, self._spoiled_byte = spoil, spoiled_byte
        self._server = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self._server.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        for number in itertools.count():
            client, _ = self._server.accept()
            threading.Thread(target=self._connect, args=(client, number), daemon=True).start()

    def _connect(self, client: socket.socket, number: int) -> None:
        with suppress(OSError):
            if number < len(self._spoil):
                with client:
                    self.received.append(client.recv(65536))
                    self._spoil[number](client)
                return
            server = socket.create_connection(("127.0.0.1", self._port))
            there = threading.Thread(target=self._pass_on, args=(client, server), daemon=True)
            there.start()
            self._pass_on(server, client, -1 if number else self._spoiled_byte)

    @staticmethod
    def _pass_on(source: socket.socket, sink: socket.socket, spoiled_byte: int = -1) -> None:
        """Copy what comes; after some bytes, change one."""
        copied = 0
        with suppress(OSError), source, sink:
            while data := source.recv(65536):
                if copied <= spoiled_byte < copied + len(data):
                    at = spoiled_byte - copied
                    data = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
                copied += len(data)
                sink.sendall(data)
