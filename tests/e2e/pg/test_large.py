"""Large things: a gigabyte of COPY, a value of half a gigabyte, a hundred thousand statements in one flight, a reader that
hardly reads. They cost the appliance's memory no more than MEMORY_MAX, the other sessions of their shard nothing that could
be called a stall, and the trail says what they were.

What is marked long has its full size; the same at a smaller size belongs to the gate.
"""
import socket
import struct
import threading
import time

import pytest

import harness
import raw

MB = 1_000_000
# What a shard's buffers may hold at most (256 of 16 KiB and 64 of 64 KiB), and as much again for what a session keeps of
# its own: the beginning of a text for the trail, messages in flight, what was moved out of a buffer.
MEMORY_MAX = 16 << 20
PIECE = 1 << 16


def sizes(small, large):
    return pytest.mark.parametrize('size', [small, pytest.param(large, marks=pytest.mark.long)],
                                   ids=lambda size: '%d' % size)


@pytest.fixture
def one(own):
    """With one shard, so that everybody is on the same."""
    return own(shards=1, log={'level': 'warning'}).start()


class Watch:
    """What happens beside: the most memory that the appliance takes more than before, and a session on the same shard that
    asks one small question after the other."""

    def __init__(self, appliance, what, capsys):
        self.appliance, self.what, self.capsys = appliance, what, capsys
        self.answered, self.longest, self.peak, self.errors = 0, 0.0, 0, []
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(work,)) for work in (self.ask, self.weigh)]

    def __enter__(self):
        self.neighbour = raw.RawClient(self.appliance.pg_port)
        self.neighbour.log_in('alice', harness.USERS['alice'], 'shop', application_name='neighbour')
        self.neighbour.run('SELECT 1')
        self.before = self.appliance.own_memory()
        for thread in self.threads:
            thread.start()
        return self

    def run(self, work):
        try:
            while not self.stop.is_set():
                work()
        except Exception as error:  # noqa: BLE001  (told to the test below)
            self.errors.append(error)

    def ask(self):
        begin = time.monotonic()
        assert raw.rows(self.neighbour.run('SELECT 1')) == [[b'1']]
        self.longest = max(self.longest, time.monotonic() - begin)
        self.answered += 1
        time.sleep(0.002)

    def weigh(self):
        self.peak = max(self.peak, self.appliance.own_memory())
        time.sleep(0.02)

    def growth(self):
        return self.peak - self.before

    def served(self, more):
        """Until the neighbour has had so many more answers."""
        wanted = self.answered + more
        harness.eventually(lambda: self.errors or self.answered >= wanted, 60, what='%d answers beside' % more)
        assert not self.errors

    def __exit__(self, kind, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join()
        self.neighbour.socket.close()
        if kind is not None:
            return
        with self.capsys.disabled():
            print('\n%s: %.1f MB more than before; beside it %d answers, the slowest after %.0f ms' % (
                self.what, self.growth() / 1e6, self.answered, self.longest * 1e3))
        assert not self.errors
        assert self.growth() <= MEMORY_MAX
        assert self.answered > 10


def log_in(appliance, app, receive_buffer=None):
    client = raw.RawClient(appliance.pg_port, timeout=120, receive_buffer=receive_buffer)
    return client.log_in('alice', harness.USERS['alice'], 'shop', application_name=app)


class Skimmed:
    """Answers up to ReadyForQuery, counted and thrown away; `kept`: bodies of short messages by their kind."""

    def __init__(self, client):
        self.bytes, self.counts, self.kept, kind = 0, {}, {}, None
        buffer = client.buffer
        while kind != b'Z':
            while len(buffer) < 5:
                self.more(client, buffer)
            kind, (length,) = bytes(buffer[:1]), struct.unpack('!I', buffer[1:5])
            if length < 4096:
                while len(buffer) <= length:
                    self.more(client, buffer)
                if kind != b'd':
                    self.kept.setdefault(kind, []).append(bytes(buffer[5:length + 1]))
                del buffer[:length + 1]
            else:
                missing = length + 1
                while missing > len(buffer):
                    missing -= len(buffer)
                    buffer.clear()
                    self.more(client, buffer)
                del buffer[:missing]
            self.counts[kind] = self.counts.get(kind, 0) + 1
            if kind != b'Z':
                self.bytes += length + 1

    @staticmethod
    def more(client, buffer):
        data = client.socket.recv(1 << 18)
        assert data, 'the connection ended'
        buffer += data


def statement(trail, app, text):
    [row] = [row for row in trail.settled(app, timeout=60) if row['statement'].startswith(text)]
    return row


@sizes(64 * MB, 1024 * MB)
def test_a_long_copy_out(one, app, capsys, size):
    rows = size // 1000
    with log_in(one, app) as client, Watch(one, 'COPY TO STDOUT of %d MB' % (size // MB), capsys):
        client.send(raw.query("COPY (SELECT repeat('x', 999) FROM generate_series(1, %d)) TO STDOUT" % rows))
        got = Skimmed(client)
    assert got.counts[b'd'] == rows
    assert got.kept[b'C'] == [b'COPY %d\0' % rows]
    row = statement(one.trail(), app, 'COPY')
    assert (row['outcome'], row['rows'], row['bytes_to_client']) == ('success', rows, got.bytes)


@sizes(64 * MB, 1024 * MB)
def test_a_long_copy_in(one, app, capsys, size):
    data = raw.message(b'd', (b'x' * 999 + b'\n') * 64)
    pieces = size // 64_000
    text = 'COPY swallowed FROM STDIN'
    one.target.sql('DROP TABLE IF EXISTS swallowed; CREATE UNLOGGED TABLE swallowed (t text); '
                   'CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$; '
                   'CREATE TRIGGER nothing BEFORE INSERT ON swallowed FOR EACH ROW EXECUTE FUNCTION nothing(); '
                   'GRANT ALL ON swallowed TO shop_app', database='shop')
    try:
        with log_in(one, app) as client, Watch(one, 'COPY FROM STDIN of %d MB' % (size // MB), capsys):
            client.send(raw.query(text))
            client.receive_until(b'G')
            for _ in range(pieces):
                client.send(data)
            client.send(raw.message(b'c'))
            got = Skimmed(client)
    finally:
        one.target.sql('DROP TABLE swallowed; DROP FUNCTION nothing', database='shop')
    # The trigger takes the rows, so that the test needs no room for them: the server counts none.
    assert got.kept[b'C'] == [b'COPY 0\0']
    row = statement(one.trail(), app, 'COPY')
    sent = len(raw.query(text)) + pieces * len(data)
    assert (row['outcome'], row['rows']) == ('success', 0)
    assert sent <= row['bytes_to_server'] <= sent + 5


@sizes(32 * MB, 500 * MB)
@pytest.mark.parametrize('kind', ['text', 'bytea'])
def test_a_large_value_of_a_row(one, app, capsys, kind, size):
    value = "repeat('x', %d)" % size if kind == 'text' else "convert_to(repeat('x', %d), 'UTF8')" % (size // 2)
    length = size if kind == 'text' else size + 2  # In hex, behind \x.
    with log_in(one, app) as client, Watch(one, 'a %s of %d MB as result' % (kind, size // MB), capsys) as watch:
        client.send(raw.query('SELECT ' + value))
        got = Skimmed(client)
        watch.served(11)
    assert got.bytes > length and got.counts[b'D'] == 1
    row = statement(one.trail(), app, 'SELECT')
    assert (row['outcome'], row['rows'], row['bytes_to_client']) == ('success', 1, got.bytes)


@sizes(32 * MB, 500 * MB)
def test_a_large_value_as_parameter(one, app, capsys, size):
    bind = b'\0\0' + struct.pack('!HHi', 0, 1, size)
    with log_in(one, app) as client, Watch(one, 'a parameter of %d MB' % (size // MB), capsys) as watch:
        client.send(raw.parse('', 'SELECT length($1::text)'))
        client.send(struct.pack('!cI', b'B', 4 + len(bind) + size + 2) + bind)
        piece = b'y' * PIECE
        for at in range(0, size, PIECE):
            client.send(piece[:size - at])
        client.send(struct.pack('!H', 0) + raw.execute() + raw.SYNC)
        got = Skimmed(client)
        watch.served(11)
    assert got.kept[b'D'] == [struct.pack('!Hi', 1, len(str(size))) + b'%d' % size]
    row = statement(one.trail(), app, 'SELECT')
    assert (row['outcome'], row['rows'], row['parameters_truncated']) == ('success', 1, True)
    assert row['bytes_to_server'] > size


def test_a_value_above_the_bound_of_a_message_is_told_so(own, app):
    one = own(shards=1, limits={'message_bytes_max': 1 << 20}).start()
    with log_in(one, app) as client:
        client.send(raw.parse('', 'SELECT length($1::text)'))
        client.send(struct.pack('!cI', b'B', 4 + (2 << 20)) + b'\0\0')
        fields = next(raw.error_fields(body) for kind, body in iter(client.receive, None) if kind == b'E')
        assert (fields['S'], fields['C']) == ('FATAL', '54000')
        assert 'limits.message_bytes_max' in fields['H'] and str(4 + (2 << 20)) in fields['M'], fields
        assert client.at_end()
    assert one.metrics()['ringfence_limits_reached_total'] == 1


@sizes(10_000, 100_000)
def test_many_statements_in_one_flight(one, app, capsys, size):
    """Nothing is read until the appliance has stopped to take more; the answers are then more than 32 MB."""
    answer_bytes = 36 * MB // size
    flight = raw.parse('s', "SELECT repeat('x', %d)" % answer_bytes)
    flight += (raw.bind('', 's') + raw.execute()) * size + raw.SYNC
    what = '%d statements in one flight with %d MB of answers' % (size, size * answer_bytes // MB)
    with log_in(one, app) as client, Watch(one, what, capsys) as watch:
        sender = threading.Thread(target=client.send, args=(flight,))
        sender.start()
        seen = []

        def has_stopped():
            seen.append(client_bytes(one, app))
            return len(seen) > 10 and seen[-1] == seen[-10] > 0
        harness.eventually(has_stopped, 60, 0.05, 'the flight to stop for want of a reader')
        watch.served(20)
        got = Skimmed(client)
        sender.join()
    assert (got.counts[b'2'], got.counts[b'C'], got.counts.get(b'E')) == (size, size, None)
    assert got.bytes > 32 * MB
    trail = one.trail()
    trail.settled(app, timeout=120)
    [found] = trail.rows(
        'SELECT count(*) AS n, count(DISTINCT seq) AS different, min(rows) AS least, max(rows) AS most, '
        "sum(bytes_to_client)::bigint AS bytes, bool_and(outcome = 'success') AS good "
        'FROM ringfence.audit_query WHERE application_name = %s', app)
    # ParseComplete belongs to the first of them.
    assert found == {'n': size, 'different': size, 'least': 1, 'most': 1, 'bytes': got.bytes, 'good': True}


def client_bytes(appliance, app):
    [session] = [session for session in appliance.sessions() if session.get('application_name') == app]
    return session['bytes_to_client']


@sizes(3, 20)
def test_a_reader_of_a_kilobyte_a_second(one, app, capsys, size):
    """`size`: for how many seconds."""
    client = log_in(one, app, receive_buffer=4096)
    try:
        with Watch(one, 'a reader of 1 KB/s for %d s' % size, capsys) as watch:
            client.send(raw.query("SELECT repeat('x', 1000) FROM generate_series(1, 200000)"))
            for _ in range(size * 10):
                assert 0 < len(client.socket.recv(100)) <= 100
                time.sleep(0.1)
            watch.served(20)
        # It did not get far, and neither did the server: nobody has taken 200 MB from it.
        taken = client_bytes(one, app)
        assert taken < 64 * MB
    finally:
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        client.socket.close()
    row = statement(one.trail(), app, 'SELECT')
    # The server may be quicker to answer what is left than to notice that nobody reads.
    assert row['outcome'] in ('unknown', 'failure', 'cancelled') or row['rows'] == 200_000
