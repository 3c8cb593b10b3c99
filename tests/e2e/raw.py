"""A PostgreSQL client that sends exactly the bytes a test wants, and no library's idea of them."""
import base64
import hashlib
import hmac
import os
import socket
import struct

PROTOCOL_3_0 = 196608
PROTOCOL_3_2 = 196610
SSL_REQUEST = struct.pack('!II', 8, 80877103)
GSSENC_REQUEST = struct.pack('!II', 8, 80877104)


class ServerError(Exception):
    """An ErrorResponse; `fields` by their letter, so that .fields['C'] is the SQLSTATE."""

    def __init__(self, fields):
        super().__init__('%s %s: %s' % (fields.get('S'), fields.get('C'), fields.get('M')))
        self.fields = fields


def error_fields(body):
    return {part[:1].decode(): part[1:].decode('utf-8', 'replace') for part in body.split(b'\0') if part}


def message(kind, body=b''):
    return kind + struct.pack('!I', len(body) + 4) + body


def startup(parameters, protocol=PROTOCOL_3_0):
    body = struct.pack('!I', protocol)
    for key, value in parameters.items():
        body += key.encode() + b'\0' + value.encode() + b'\0'
    body += b'\0'
    return struct.pack('!I', len(body) + 4) + body


def query(text):
    return message(b'Q', text.encode() + b'\0')


def parse(name, text, types=()):
    return message(b'P', name.encode() + b'\0' + text.encode() + b'\0'
                   + struct.pack('!H', len(types)) + b''.join(struct.pack('!I', t) for t in types))


def bind(portal, statement, values=()):
    body = portal.encode() + b'\0' + statement.encode() + b'\0' + struct.pack('!HH', 0, len(values))
    for value in values:
        body += struct.pack('!i', -1) if value is None else struct.pack('!i', len(value)) + value
    return message(b'B', body + struct.pack('!H', 0))


def describe(kind, name=''):
    return message(b'D', kind + name.encode() + b'\0')


def execute(portal='', rows_max=0):
    return message(b'E', portal.encode() + b'\0' + struct.pack('!I', rows_max))


def close(kind, name):
    return message(b'C', kind + name.encode() + b'\0')


SYNC = message(b'S')
FLUSH = message(b'H')
TERMINATE = message(b'X')


class RawClient:
    def __init__(self, port, host='127.0.0.1', timeout=20, piece=None, receive_buffer=None):
        """`piece`: send so many bytes at a time, each in a segment of its own. `receive_buffer`: bytes of the socket's."""
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(timeout)
        self.socket.connect((host, port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.piece = piece
        self.buffer = bytearray()
        self.parameters = {}
        self.key = None
        self.negotiated = None
        self.notices = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        if not self.piece:
            self.socket.sendall(data)
            return
        for at in range(0, len(data), self.piece):
            self.socket.sendall(data[at:at + self.piece])

    def receive_exactly(self, count):
        while len(self.buffer) < count:
            more = self.socket.recv(1 << 20)
            if not more:
                raise EOFError('the server closed the connection, %d bytes into something' % len(self.buffer))
            self.buffer += more
        taken = bytes(self.buffer[:count])
        del self.buffer[:count]
        return taken

    def receive(self):
        """The next message as (kind, body)."""
        header = self.receive_exactly(5)
        return header[:1], self.receive_exactly(struct.unpack('!I', header[1:])[0] - 4)

    def receive_until(self, kind):
        """Every message up to and with the first of that kind."""
        got = []
        while True:
            one = self.receive()
            got.append(one)
            if one[0] == kind:
                return got

    def at_end(self):
        """True when the server has closed without another byte."""
        try:
            return not self.buffer and self.socket.recv(1) == b''
        except ConnectionResetError:
            return False

    def log_in(self, user, password, database, protocol=PROTOCOL_3_0, **more):
        """Startup and authentication up to ReadyForQuery; raises ServerError on an ErrorResponse."""
        self.send(startup({'user': user, 'database': database, **more}, protocol))
        scram = None
        while True:
            kind, body = self.receive()
            if kind == b'E':
                raise ServerError(error_fields(body))
            if kind == b'v':
                self.negotiated = body
            elif kind == b'S':
                key, value = body.split(b'\0')[:2]
                self.parameters[key.decode()] = value.decode()
            elif kind == b'K':
                self.key = body
            elif kind == b'N':
                self.notices.append(error_fields(body))
            elif kind == b'Z':
                return self
            elif kind == b'R':
                code = struct.unpack('!I', body[:4])[0]
                if code == 10:
                    assert b'SCRAM-SHA-256\0' in body[4:]
                    scram = Scram(password)
                    self.send(message(b'p', b'SCRAM-SHA-256\0' + struct.pack('!i', len(scram.first)) + scram.first))
                elif code == 11:
                    self.send(message(b'p', scram.final(body[4:])))
                elif code == 12:
                    scram.check(body[4:])
                else:
                    assert code == 0, 'authentication request %d' % code

    def run(self, text):
        """A simple query: the messages up to ReadyForQuery."""
        self.send(query(text))
        return self.receive_until(b'Z')


class Scram:
    """The client's side of SCRAM-SHA-256 (RFC 5802, 7677), without channel binding."""

    def __init__(self, password):
        self.password = password.encode()
        self.nonce = base64.b64encode(os.urandom(18))
        self.bare = b'n=,r=' + self.nonce
        self.first = b'n,,' + self.bare

    def final(self, server_first):
        fields = dict(part.split(b'=', 1) for part in server_first.split(b','))
        assert fields[b'r'].startswith(self.nonce)
        salted = hashlib.pbkdf2_hmac('sha256', self.password, base64.b64decode(fields[b's']), int(fields[b'i']))
        key = hmac.digest(salted, b'Client Key', 'sha256')
        without_proof = b'c=biws,r=' + fields[b'r']
        signed = self.bare + b',' + server_first + b',' + without_proof
        signature = hmac.digest(hashlib.sha256(key).digest(), signed, 'sha256')
        proof = bytes(a ^ b for a, b in zip(key, signature))
        self.expected = hmac.digest(hmac.digest(salted, b'Server Key', 'sha256'), signed, 'sha256')
        return without_proof + b',p=' + base64.b64encode(proof)

    def check(self, server_final):
        assert server_final == b'v=' + base64.b64encode(self.expected), 'the server does not know the verifier'


def kinds(messages):
    return b''.join(kind for kind, _ in messages)


def rows(messages):
    """The DataRows as lists of bytes or None."""
    result = []
    for kind, body in messages:
        if kind == b'D':
            at, row = 2, []
            for _ in range(struct.unpack('!H', body[:2])[0]):
                size = struct.unpack('!i', body[at:at + 4])[0]
                at += 4
                row.append(None if size < 0 else body[at:at + size])
                at += max(size, 0)
            result.append(row)
    return result
