"""Servers and clients of raw TCP that do as a test says."""
import contextlib
import hashlib
import shutil
import socket
import struct
import subprocess
import threading
import time

import harness


class Server:
    """Calls `serve(connection)` on a thread of its own for each connection."""

    def __init__(self, serve):
        self.serve = serve
        self.errors = []
        self.socket = socket.create_server(('127.0.0.1', 0), backlog=128)
        self.port = self.socket.getsockname()[1]
        self.threads = []
        self.acceptor = threading.Thread(target=self.accept, daemon=True)
        self.acceptor.start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.socket.accept()
                connection.settimeout(60)
                thread = threading.Thread(target=self.run, args=(connection,), daemon=True)
                self.threads.append(thread)
                thread.start()

    def run(self, connection):
        with connection:
            try:
                self.serve(connection)
            except OSError as error:
                self.errors.append(error)

    def stop(self):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        for thread in self.threads:
            thread.join(60)


def echo(connection):
    while data := connection.recv(65536):
        connection.sendall(data)


def digest_of(connection):
    """Reads to the end, then says how much that was and its digest."""
    digest, size = hashlib.sha256(), 0
    while data := connection.recv(1 << 20):
        digest.update(data)
        size += len(data)
    return size, digest.hexdigest()


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    connection.close()


def was_reset(connection):
    """Reads to the end: whether that is a reset, or a good one."""
    try:
        while connection.recv(65536):
            pass
        return False
    except ConnectionResetError:
        return True


@contextlib.contextmanager
def redis(directory):
    if shutil.which('redis-server') is None:
        raise RuntimeError('redis-server is missing')
    port = harness.free_port()
    with subprocess.Popen(['redis-server', '--port', str(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no',
                           '--dir', str(directory)], stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT) as process:
        try:
            def answers():
                with contextlib.suppress(OSError):
                    with socket.create_connection(('127.0.0.1', port), 1):
                        return True
                return False
            harness.eventually(answers, 20, 0.05, 'redis-server')
            yield port
        finally:
            process.terminate()


def connect(port, timeout=30):
    return socket.create_connection(('127.0.0.1', port), timeout)


def send_slowly(connection, data, pieces, pause=0.001):
    step = max(1, len(data) // pieces)
    for at in range(0, len(data), step):
        connection.sendall(data[at:at + step])
        time.sleep(pause)
