"""A PostgreSQL server that holds thousands of connections in little memory: any user is let in, any query gets one row, any
statement is prepared. A query that says so is answered with other command tags: `SELECT 1 /* answer: DELETE 5, SET */`.

Run as a program; prints its port. Ends when its standard input does.
"""
import os
import re
import resource
import select
import socket
import struct
import sys


def message(kind, body=b''):
    return kind + struct.pack('!I', len(body) + 4) + body


# What PostgreSQL 15 says at a login.
PARAMETERS = {
    'application_name': '', 'client_encoding': 'UTF8', 'DateStyle': 'ISO, MDY',
    'default_transaction_read_only': 'off', 'in_hot_standby': 'off', 'integer_datetimes': 'on',
    'IntervalStyle': 'postgres', 'is_superuser': 'off', 'server_encoding': 'UTF8', 'server_version': '15.0',
    'session_authorization': 'shop_app', 'standard_conforming_strings': 'on', 'TimeZone': 'Etc/UTC'}


def greeting(**changes):
    return message(b'R', struct.pack('!I', 0)) + b''.join(
        message(b'S', key.encode() + b'\0' + value.encode() + b'\0') for key, value in {**PARAMETERS, **changes}.items())


GREETING = greeting()
READERS_GREETING = greeting(default_transaction_read_only='on')
READY = message(b'Z', b'I')
ANSWER = (message(b'T', struct.pack('!H', 1) + b'?column?\0' + struct.pack('!IhIhih', 0, 0, 23, 4, -1, 0))
          + message(b'D', struct.pack('!Hi', 1, 1) + b'1') + message(b'C', b'SELECT 1\0') + READY)
LIE = re.compile(rb'/\* answer: ([^*]*) \*/')


def answer(text):
    lie = LIE.search(text)
    if not lie:
        return ANSWER
    return b''.join(message(b'C', tag + b'\0') for tag in lie[1].split(b', ')) + READY


class Connection:
    def __init__(self, sock, number):
        self.socket = sock
        self.number = number
        self.buffer = b''
        self.is_started = False

    def take(self, data):
        """The answer to what came; None when the client ends."""
        self.buffer += data
        out = b''
        while True:
            header = 5 if self.is_started else 4
            if len(self.buffer) < header:
                return out
            size = struct.unpack('!I', self.buffer[header - 4:header])[0] + header - 4
            if len(self.buffer) < size:
                return out
            whole, self.buffer = self.buffer[:size], self.buffer[size:]
            if not self.is_started:
                if struct.unpack('!I', whole[4:8])[0] != 196608:
                    return None  # A cancel request.
                self.is_started = True
                is_reader = b'\0default_transaction_read_only\0on\0' in whole
                out += (READERS_GREETING if is_reader else GREETING) + message(b'K', struct.pack('!II', self.number, 1)) + READY
            elif whole[:1] == b'Q':
                out += answer(whole)
            elif whole[:1] == b'P':
                out += message(b'1')
            elif whole[:1] == b'S':
                out += READY
            elif whole[:1] == b'X':
                return None


def serve():
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit[1], limit[1]))
    listener = socket.create_server(('127.0.0.1', 0), backlog=4096)
    print(listener.getsockname()[1], flush=True)
    poll = select.epoll()
    poll.register(listener, select.EPOLLIN)
    poll.register(0, select.EPOLLIN | select.EPOLLHUP)
    connections = {}
    while True:
        for fd, _ in poll.poll():
            if fd == 0:
                if not os.read(0, 4096):
                    return
                continue
            if fd == listener.fileno():
                sock, _ = listener.accept()
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connections[sock.fileno()] = Connection(sock, sock.fileno())
                poll.register(sock, select.EPOLLIN)
                continue
            one = connections[fd]
            try:
                data = one.socket.recv(1 << 16)
                out = one.take(data) if data else None
                if out:
                    one.socket.sendall(out)
            except OSError:
                out = None
            if out is None:
                poll.unregister(fd)
                one.socket.close()
                del connections[fd]


if __name__ == '__main__':
    sys.exit(serve())
