"""What a login's challenge shows before a password is asked for: nothing of who exists."""
import base64
import hashlib
import hmac
import os

import harness
import raw


def verifier(password, iterations, salt_size=16):
    salt = os.urandom(salt_size)
    salted = hashlib.pbkdf2_hmac('sha256', password.encode(), salt, iterations)
    stored = hashlib.sha256(hmac.digest(salted, b'Client Key', 'sha256')).digest()
    server = hmac.digest(salted, b'Server Key', 'sha256')
    text = [base64.b64encode(part).decode() for part in (salt, stored, server)]
    return 'SCRAM-SHA-256$%d:%s$%s:%s' % (iterations, *text)


def challenge(one, user):
    """(iterations, salt) as anybody may ask for them."""
    with raw.RawClient(one.pg_port) as client:
        client.send(raw.startup({'user': user, 'database': 'shop'}))
        assert client.receive()[0] == b'R'
        first = raw.Scram('x').first
        client.send(raw.message(b'p', b'SCRAM-SHA-256\0' + len(first).to_bytes(4, 'big') + first))
        _, body = client.receive()
        fields = dict(part.split(b'=', 1) for part in body[4:].split(b','))
        return int(fields[b'i']), base64.b64decode(fields[b's'])


def test_nobody_looks_like_somebody(own):
    users = [{'name': 'user%d' % n, 'verifier': verifier('x', 10_000, 24), 'roles': ['operator']} for n in range(8)]
    users += [{'name': 'alice', 'password': harness.USERS['alice'], 'roles': ['operator']}]
    one = own(users=users).start()
    shapes = [challenge(one, 'nobody%d' % n) for n in range(40)]
    counts = [iterations for iterations, _ in shapes]
    assert {(iterations, len(salt)) for iterations, salt in shapes} <= {(10_000, 24), (4096, 16)}
    assert counts.count(10_000) > counts.count(4096)
    # They stay as they are, those who exist and those who do not, also when the node starts again.
    names = ['alice', 'user1', 'nobody1', 'nobody2', 'nobody3']
    before = [challenge(one, name) for name in names]
    one.reload()
    assert [challenge(one, name) for name in names] == before
    assert one.stop() == 0
    one.start()
    assert [challenge(one, name) for name in names] == before
    with one.connect() as connection:
        assert connection.execute('SELECT 1').fetchone() == (1,)
    assert one.stop() == 0
