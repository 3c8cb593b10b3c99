"""Messages whose length or body is not what their type has, and first packets that are none. What a server answers to each
is asked of a server, not written down here."""
import struct

import raw

# What stands behind each malformed message, to see how far the server skips.
BEHIND = raw.query("SELECT 'behind'") + raw.SYNC + raw.query("SELECT 'last'")


def m(kind, body=b''):
    return raw.message(kind, body)


PARSE = raw.parse('', 'SELECT 1')
GROUP = PARSE + raw.bind('', '')
FRAMES = {
    'flush with a body': m(b'H', b'x'),
    'flush with a body in a group': PARSE + m(b'H', b'x'),
    'flush with a body behind bind': GROUP + m(b'H', b'12345') + raw.execute(),
    'flush with a large body': m(b'H', b'x' * 9000),
    'flush twice with a body': m(b'H', b'x') + m(b'H', b'y'),
    'sync with a body': m(b'S', b'x'),
    'sync with a body behind a group': GROUP + raw.execute() + m(b'S', b'xyz'),
    'execute without a name': GROUP + m(b'E', b''),
    'execute without its row count': GROUP + m(b'E', b'\0'),
    'execute with half a row count': GROUP + m(b'E', b'\0\0\0'),
    'execute with too much': GROUP + m(b'E', b'\0\0\0\0\0x'),
    'execute without a terminator': GROUP + m(b'E', b'abc'),
    'parse without anything': m(b'P', b''),
    'parse without a text': m(b'P', b'\0'),
    'parse without a terminator': m(b'P', b'\0SELECT 1'),
    'parse without its types': m(b'P', b'\0SELECT 1\0'),
    'parse with fewer types': m(b'P', b'\0SELECT 1\0\0\2\0\0\0\x17'),
    'parse with too much': m(b'P', b'\0SELECT 1\0\0\0x'),
    'bind without anything': PARSE + m(b'B', b''),
    'bind without counts': PARSE + m(b'B', b'\0\0'),
    'bind without a result count': PARSE + m(b'B', b'\0\0\0\0\0\0'),
    'bind with too much': PARSE + m(b'B', b'\0\0\0\0\0\0\0\0x'),
    'bind with a parameter too many': PARSE + m(b'B', b'\0\0\0\0\0\1\xff\xff\xff\xff\0\0'),
    'bind with a parameter cut': raw.parse('', 'SELECT $1::text') + m(b'B', b'\0\0\0\0\0\1\0\0\0\x09abc'),
    'bind with a length below -1': raw.parse('', 'SELECT $1::text') + m(b'B', b'\0\0\0\0\0\1\xff\xff\xff\xf0\0\0'),
    'describe without anything': PARSE + m(b'D', b''),
    'describe of something else': PARSE + m(b'D', b'X\0'),
    'describe without a terminator': PARSE + m(b'D', b'Sabc'),
    'describe with too much': PARSE + m(b'D', b'S\0x'),
    'close without anything': m(b'C', b''),
    'close of something else': m(b'C', b'X\0'),
    'close with too much': m(b'C', b'S\0x'),
    'query without anything': m(b'Q', b''),
    'query without a terminator': m(b'Q', b'SELECT 1'),
    'query with too much': m(b'Q', b'SELECT 1\0x'),
    'query with a text behind its end': m(b'Q', b'SELECT 1\0SELECT 2\0'),
    'function call without anything': m(b'F', b''),
    'function call with half an id': m(b'F', b'\0\0'),
    'function call with an id alone': m(b'F', struct.pack('!I', 1598)),
    'function call without arguments': m(b'F', struct.pack('!IHH', 1598, 0, 0)),
    'function call with an argument cut': m(b'F', struct.pack('!IHHI', 1598, 0, 1, 4)),
    'function call with too few formats': m(b'F', struct.pack('!IHH', 1598, 3, 0)),
    'function call with too much': m(b'F', struct.pack('!IHHHB', 1598, 0, 0, 0, 1)),
    'function call within a group': PARSE + m(b'F', struct.pack('!I', 1598)),
    'copy data outside of a copy': m(b'd', b'x'),
    'copy done outside of a copy with a body': m(b'c', b'x'),
    'copy fail outside of a copy': m(b'f', b'x'),
    'terminate with a body': m(b'X', b'x'),
    'a password': m(b'p', b'late\0'),
    'an unknown type': m(b'y', b'x'),
    'type 0': m(b'\0', b'x'),
    'a function call of a length below four': b'F\0\0\0\3',
    'a sync of a length below four': b'S\0\0\0\3',
    'a flush of a length below four': b'H\0\0\0\0',
    'a sync of more than a server takes': m(b'S', b'x' * 10_001),
    'a flush of more than a server takes': m(b'H', b'x' * 10_001),
    'a terminate of more than a server takes': m(b'X', b'x' * 10_001),
    'a describe of more than a server takes': m(b'D', b'S' + b'x' * 10_001 + b'\0'),
    'an execute of more than a server takes': m(b'E', b'x' * 10_001 + b'\0\0\0\0\0'),
    'a close of more than a server takes': m(b'C', b'S' + b'x' * 10_001 + b'\0'),
    'a copy done of more than a server takes': m(b'c', b'x' * 10_001),
}

CODE_CANCEL = 80877102


def packet(code, body=b''):
    return struct.pack('!II', 8 + len(body), code) + body


FIRST = {
    'nothing': b'',
    'a byte': b'\0',
    'half a length': b'\0\0',
    'a terminate': raw.TERMINATE,
    'a query': raw.query('SELECT 1'),
    'http': b'GET / HTTP/1.1\r\nHost: x\r\n\r\n',
    'length 0': struct.pack('!I', 0),
    'length 4': struct.pack('!I', 4),
    'length 7': struct.pack('!I', 7) + b'abc',
    'too long': struct.pack('!I', 10_005) + b'\0' * 20,
    'negative': struct.pack('!i', -1) + b'\0' * 20,
    'announced and not sent': struct.pack('!II', 100, 196608) + b'user\0',
    'cancel without anything': packet(CODE_CANCEL),
    'cancel without a key': packet(CODE_CANCEL, b'\0\0\0\1'),
    'cancel with a key of three bytes': packet(CODE_CANCEL, b'\0\0\0\1abc'),
    'cancel with half a process id': packet(CODE_CANCEL, b'\0\0'),
    'cancel with a key of five bytes': packet(CODE_CANCEL, b'\0\0\0\1abcde'),
    'cancel with a key of 256 bytes': packet(CODE_CANCEL, b'\0\0\0\1' + b'k' * 256),
    'cancel with a key of 257 bytes': packet(CODE_CANCEL, b'\0\0\0\1' + b'k' * 257),
    'cancel of nobody': packet(CODE_CANCEL, b'\0' * 8),
    'cancel of nobody and more': packet(CODE_CANCEL, b'\0' * 8) + b'more',
    'no terminator': packet(196608, b'user\0alice'),
    'no terminator at all': packet(196608),
    'a key without a value': packet(196608, b'user\0'),
    'bytes behind the terminator': packet(196608, b'user\0alice\0\0x'),
    'no user': packet(196608, b'\0'),
    'an empty user': packet(196608, b'user\0\0\0'),
    'protocol 4': packet(262144, b'user\0alice\0\0'),
}


def rest(client):
    """All that comes until the end; None where it was reset instead."""
    got = bytes(client.buffer)
    try:
        while more := client.socket.recv(65536):
            got += more
    except ConnectionResetError:
        pass
    return got


def messages(data):
    """(kind, what a client makes of it), as far as it is whole messages."""
    out = []
    while len(data) >= 5:
        end = 1 + struct.unpack('!I', data[1:5])[0]
        kind, body = data[:1], data[5:end]
        if kind in b'EN':
            fields = raw.error_fields(body)
            body = tuple(fields.get(field) for field in 'SC')
        out.append((kind.decode(), body))
        data = data[end:]
    return out
