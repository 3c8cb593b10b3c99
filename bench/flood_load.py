#!/usr/bin/python3
"""One flood, from one process, bounded in count and in time: what a stranger, or one reader, can send.

usage: flood_load.py KIND PORT SECONDS COUNT_MAX

Against a listener that closes at once the same loop runs: what cannot be sent counts as sent, and it connects anew.
Prints how many it sent.
"""
import os
import pathlib
import socket
import struct
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'tests/e2e'))
import raw  # noqa: E402

USER, FLOOD_USER, PASSWORD = 'bench', 'flood', 'bench-password'
TEXT_BYTES = 60_000


class Connection:
    """Connects when there is something to send, and again when the other side has closed."""

    def __init__(self, port):
        self.port = port
        self.socket = None

    def close(self):
        if self.socket is not None:
            self.socket.close()
        self.socket = None

    def open(self):
        if self.socket is None:
            self.socket = socket.create_connection(('127.0.0.1', self.port), 5)
        return self.socket

    def ask(self, data, answer_bytes=65_536):
        """What came first after `data`; b'' when the other side has closed."""
        try:
            self.open().sendall(data)
            got = self.socket.recv(answer_bytes)
        except OSError:
            got = b''
        if not got:
            self.close()
        return got


def admin(connection):
    connection.ask(b'GET /%s HTTP/1.1\r\nHost: x\r\n\r\n' % os.urandom(3_000).hex().encode())


def login(connection):
    """Up to the refusal: SCRAM with a password that is wrong."""
    connection.ask(raw.startup({'user': USER, 'database': 'bench'}))
    scram = raw.Scram('wrong')
    first = connection.ask(raw.message(b'p', b'SCRAM-SHA-256\0' + struct.pack('!i', len(scram.first)) + scram.first))
    if len(first) > 9:
        connection.ask(raw.message(b'p', b'c=biws,r=' + first[9:].split(b',')[0][2:] + b',p=' + b'A' * 43 + b'='))
    connection.close()


def database(connection):
    """A name of 8 KB, by somebody who does not know the password either."""
    connection.ask(raw.startup({'user': os.urandom(8).hex(), 'database': os.urandom(4_000).hex()}))
    scram = raw.Scram('wrong')
    first = connection.ask(raw.message(b'p', b'SCRAM-SHA-256\0' + struct.pack('!i', len(scram.first)) + scram.first))
    if len(first) > 9:
        connection.ask(raw.message(b'p', b'c=biws,r=' + first[9:].split(b',')[0][2:] + b',p=' + b'A' * 43 + b'='))
    connection.close()


def cancel(connection):
    connection.ask(struct.pack('!IIII', 16, 80877102, 4711, 4711))
    connection.close()


def texts(connection):
    """Large texts of one who may read: each is recorded."""
    text = os.urandom(TEXT_BYTES // 2).hex()
    if connection.socket is None:
        try:
            client = raw.RawClient(connection.port, timeout=15)
            client.log_in(FLOOD_USER, PASSWORD, 'bench', application_name='flood')
        except (OSError, EOFError, raw.ServerError):
            return
        connection.socket = client.socket
    connection.ask(raw.query("SELECT length('%s')" % text))


KINDS = {'admin': admin, 'login': login, 'database': database, 'cancel': cancel, 'texts': texts}


def main():
    kind, port, seconds, count_max = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
    connection = Connection(port)
    until = time.monotonic() + seconds
    sent = 0
    while sent < count_max and time.monotonic() < until:
        KINDS[kind](connection)
        sent += 1
    connection.close()
    print(sent)


if __name__ == '__main__':
    main()
