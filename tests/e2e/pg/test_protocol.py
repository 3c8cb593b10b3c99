"""The wire, byte by byte: what drivers rarely do and somebody will."""
import struct

import pytest

import harness
import raw

PASSWORD = harness.USERS['alice']


def session(appliance, app='e2e', **more):
    return raw.RawClient(appliance.pg_port, **more).log_in('alice', PASSWORD, 'shop', application_name=app)


@pytest.mark.parametrize('request_bytes', [raw.SSL_REQUEST, raw.GSSENC_REQUEST], ids=['SSLRequest', 'GSSENCRequest'])
def test_encryption_requests_are_answered_n_and_the_session_goes_on(appliance, app, request_bytes):
    with raw.RawClient(appliance.pg_port) as client:
        client.send(request_bytes)
        assert client.receive_exactly(1) == b'N'
        client.log_in('alice', PASSWORD, 'shop', application_name=app)
        assert raw.rows(client.run('SELECT 1')) == [[b'1']]


def test_both_encryption_requests_one_after_the_other(appliance):
    with raw.RawClient(appliance.pg_port) as client:
        for request_bytes in (raw.GSSENC_REQUEST, raw.SSL_REQUEST):
            client.send(request_bytes)
            assert client.receive_exactly(1) == b'N'
        client.log_in('alice', PASSWORD, 'shop')


def test_bytes_sent_along_with_an_ssl_request_end_the_connection_or_wait(appliance):
    """CVE-2021-23214: what arrives before a handshake must not be read as if it came after it."""
    with raw.RawClient(appliance.pg_port) as client:
        client.send(raw.SSL_REQUEST + raw.startup({'user': 'alice', 'database': 'shop'}))
        assert client.receive_exactly(1) in (b'N', b'E')


def test_one_byte_at_a_time(appliance, trail, app):
    with session(appliance, app, piece=1) as client:
        assert raw.rows(client.run("SELECT 'slowly', n FROM generate_series(1, 3) n")) == [
            [b'slowly', b'1'], [b'slowly', b'2'], [b'slowly', b'3']]
        client.send(raw.parse('s', 'SELECT $1::text') + raw.bind('', 's', [b'dribble']) + raw.execute() + raw.SYNC)
        assert raw.rows(client.receive_until(b'Z')) == [[b'dribble']]
        client.send(raw.TERMINATE)
    rows = trail.settled(app)
    assert [(r['message_type'], r['rows'], r['outcome']) for r in rows] == [('Q', 3, 'success'), ('E', 1, 'success')]
    assert rows[1]['statement'] == 'SELECT $1::text'
    assert rows[1]['parameters'] == ['dribble']


@pytest.mark.parametrize('piece', [2, 3, 5, 7, 13, 1000])
def test_messages_split_anywhere(appliance, trail, app, piece):
    with session(appliance, app, piece=piece) as client:
        text = "SELECT '%s'" % ('ab' * 900)
        assert raw.rows(client.run(text)) == [[b'ab' * 900]]
        client.send(raw.TERMINATE)
    [row] = trail.settled(app)
    assert row['statement'] == text


def test_protocol_3_2_or_its_negotiation(appliance, trail, app):
    """The appliance speaks 3.2, or says which version it speaks; either way the session works."""
    with raw.RawClient(appliance.pg_port) as client:
        client.log_in('alice', PASSWORD, 'shop', protocol=raw.PROTOCOL_3_2, application_name=app)
        if client.negotiated is not None:
            newest, count = struct.unpack('!II', client.negotiated[:8])
            assert newest in (0, raw.PROTOCOL_3_0)
            assert count == 0
        assert raw.rows(client.run('SELECT 1')) == [[b'1']]
        client.send(raw.TERMINATE)
    assert len(trail.settled(app)) == 1


def test_a_newer_minor_version_and_unknown_options_are_negotiated(appliance):
    with raw.RawClient(appliance.pg_port) as client:
        client.log_in('alice', PASSWORD, 'shop', protocol=196608 + 99,
                      **{'_pq_.no_such_thing': 'on', '_pq_.nor_this': '1'})
        assert client.negotiated is not None
        newest, count = struct.unpack('!II', client.negotiated[:8])
        assert newest < 196608 + 99
        assert client.negotiated[8:].split(b'\0')[:count] == [b'_pq_.no_such_thing', b'_pq_.nor_this']


@pytest.mark.parametrize('protocol', [0x00020000, 0x00040000, 80877106, 0xffffffff])
def test_other_major_versions_are_refused(appliance, protocol):
    with raw.RawClient(appliance.pg_port) as client:
        client.send(raw.startup({'user': 'alice'}, protocol))
        try:
            kind, body = client.receive()
            assert kind == b'E'
            assert raw.error_fields(body)['S'] == 'FATAL'
        except (EOFError, ConnectionResetError):
            pass  # Closing without a word is an answer to what is not our protocol.


@pytest.mark.parametrize('key, value', [
    ('replication', 'database'), ('options', '-c role=postgres'), ('role', 'postgres'),
    ('session_authorization', 'postgres'), ('log_statement', 'none'), ('session_preload_libraries', 'x'),
])
def test_startup_keys_outside_the_list_are_refused_by_name(appliance, key, value):
    with raw.RawClient(appliance.pg_port) as client:
        with pytest.raises(raw.ServerError) as caught:
            client.log_in('alice', PASSWORD, 'shop', **{key: value})
        text = caught.value.fields['M'] + caught.value.fields.get('D', '') + caught.value.fields.get('H', '')
        assert key in text or value.split('=')[0].split()[-1] in text
        assert caught.value.fields['S'] == 'FATAL'


def test_startup_keys_on_the_list_take_effect(appliance, app):
    with raw.RawClient(appliance.pg_port) as client:
        client.log_in('alice', PASSWORD, 'shop', application_name=app, client_encoding='LATIN1', DateStyle='German',
                      TimeZone='Asia/Tokyo', extra_float_digits='2')
        assert client.parameters['client_encoding'] == 'LATIN1'
        assert client.parameters['DateStyle'].startswith('German')
        assert client.parameters['TimeZone'] == 'Asia/Tokyo'


@pytest.mark.parametrize('bytes_sent', [
    b'GET / HTTP/1.1\r\nHost: x\r\n\r\n',
    b'\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03' + b'\0' * 50,
    struct.pack('!I', 3), struct.pack('!I', 0x7fffffff) + b'\0' * 20, struct.pack('!i', -1) + b'\0' * 20,
    struct.pack('!II', 8, 196608),
    struct.pack('!II', 9, 196608) + b'\0',
    struct.pack('!II', 16, 80877102) + b'\0' * 8,
], ids=['http', 'tls', 'too short', 'too long', 'negative', 'no terminator', 'no user', 'cancel of nobody'])
def test_what_is_no_startup_ends_the_connection_and_nothing_else(appliance, bytes_sent):
    with raw.RawClient(appliance.pg_port, timeout=30) as client:
        client.send(bytes_sent)
        client.socket.shutdown(1)
        rest = b''
        try:
            while more := client.socket.recv(4096):
                rest += more
        except ConnectionResetError:
            pass
        assert rest == b'' or rest[:1] in (b'E', b'\x15')  # An ErrorResponse, or to TLS an alert.
    assert appliance.http('/readyz')[0] == 200


@pytest.mark.parametrize('frame', [
    b'Q\x00\x00\x00\x03', b'Q\xff\xff\xff\xff', b'\x00\x00\x00\x00\x08abcd', raw.message(b'p', b'late password'),
    raw.message(b'Q', b'no terminator'),
], ids=['length 3', 'length -1', 'type 0', 'password', 'no terminator'])
def test_a_broken_frame_ends_its_own_session_with_an_error(appliance, trail, app, frame):
    with session(appliance, app) as client, session(appliance) as other:
        client.send(frame)
        seen = b''
        try:
            while not seen.endswith(b'Z'):  # PostgreSQL itself goes on after some of these.
                kind, body = client.receive()
                seen += kind
        except (EOFError, ConnectionResetError):
            pass
        assert b'E' in seen or seen == b''
        assert raw.rows(other.run('SELECT 1')) == [[b'1']]
    harness.eventually(lambda: trail.events(app, 'postgres_disconnect'), what='the end in the trail')


def test_an_empty_query_passes(appliance, trail, app):
    with session(appliance, app) as client:
        assert raw.kinds(client.run('')) == b'IZ'
        assert raw.kinds(client.run(' ; ')) == b'IZ'
        client.send(raw.TERMINATE)
    assert {row['outcome'] for row in trail.settled(app)} <= {'success'}


def test_a_suspended_portal_counts_the_rows_of_each_execute(appliance, trail, app):
    with session(appliance, app) as client:
        client.send(raw.parse('', 'SELECT n FROM generate_series(1, 10) n') + raw.bind('p', '')
                    + raw.execute('p', 4) + raw.execute('p', 4) + raw.execute('p', 4) + raw.SYNC)
        got = client.receive_until(b'Z')
        assert raw.kinds(got) == b'12' + b'DDDDs' * 2 + b'DDC' + b'Z'
        client.send(raw.TERMINATE)
    rows = trail.settled(app)
    assert [row['rows'] for row in rows] == [4, 4, 2]
    assert {row['statement'] for row in rows} == {'SELECT n FROM generate_series(1, 10) n'}
    assert {row['outcome'] for row in rows} == {'success'}


def test_many_executes_before_one_sync_each_have_their_record(appliance, trail, app):
    with session(appliance, app) as client:
        client.send(raw.parse('many', 'SELECT $1::int * 2')
                    + b''.join(raw.bind('', 'many', [b'%d' % n]) + raw.execute() for n in range(50)) + raw.SYNC)
        assert raw.rows(client.receive_until(b'Z')) == [[b'%d' % (n * 2)] for n in range(50)]
        client.send(raw.TERMINATE)
    rows = trail.settled(app)
    assert [row['parameters'] for row in rows] == [['%d' % n] for n in range(50)]
    assert {row['outcome'] for row in rows} == {'success'}


def test_what_follows_an_error_before_sync_was_not_executed(appliance, trail, app):
    with session(appliance, app) as client:
        client.send(raw.parse('', 'SELECT 10 / $1::int') + raw.bind('', '', [b'5']) + raw.execute()
                    + raw.bind('', '', [b'0']) + raw.execute() + raw.bind('', '', [b'2']) + raw.execute() + raw.SYNC)
        got = client.receive_until(b'Z')
        assert raw.kinds(got).count(b'E') == 1 and raw.rows(got) == [[b'2']]
        client.send(raw.TERMINATE)
    assert [(row['outcome'], row['sqlstate']) for row in trail.settled(app)] == [
        ('success', None), ('failure', '22012'), ('not_executed', None)]


def test_an_error_at_bind_belongs_to_the_statement_that_was_bound(appliance, trail, app):
    """The server folds the constant when it plans, at Bind: no BindComplete comes for the second statement."""
    with session(appliance, app) as client:
        client.send(raw.parse('', 'SELECT 1 / $1::int') + raw.bind('', '', [b'1']) + raw.execute()
                    + raw.parse('', 'SELECT 2 / $1::int') + raw.bind('', '', [b'0']) + raw.execute()
                    + raw.parse('', 'SELECT 3 / $1::int') + raw.bind('', '', [b'1']) + raw.execute() + raw.SYNC)
        assert raw.kinds(client.receive_until(b'Z')) == b'12DC1EZ'
        client.send(raw.TERMINATE)
    assert [(r['statement'], r['parameters'], r['outcome'], r['sqlstate']) for r in trail.settled(app)] == [
        ('SELECT 1 / $1::int', ['1'], 'success', None), ('SELECT 2 / $1::int', ['0'], 'failure', '22012'),
        ('SELECT 3 / $1::int', ['1'], 'not_executed', None)]


def test_a_name_stays_with_the_old_text_when_the_new_parse_failed(appliance, trail, app):
    """[failing Parse, Close s5, Parse s5, Sync]: the server skips the rest, and s5 still runs the old text."""
    with session(appliance, app) as client:
        client.send(raw.parse('s5', "SELECT 'old'") + raw.SYNC)
        client.receive_until(b'Z')
        client.send(raw.parse('bad', 'SELEC') + raw.close(b'S', 's5') + raw.parse('s5', "SELECT 'new'") + raw.SYNC)
        assert b'E' in raw.kinds(client.receive_until(b'Z'))
        client.send(raw.bind('', 's5') + raw.execute() + raw.SYNC)
        assert raw.rows(client.receive_until(b'Z')) == [[b'old']]
        client.send(raw.TERMINATE)
    last = trail.settled(app)[-1]
    assert (last['statement'], last['outcome']) == ("SELECT 'old'", 'success')


def test_flush_instead_of_sync_gets_answers_too(appliance, trail, app):
    with session(appliance, app) as client:
        client.send(raw.parse('', 'SELECT 7') + raw.describe(b'S') + raw.FLUSH)
        assert raw.kinds(client.receive_until(b'T')) == b'1tT'
        client.send(raw.bind('', '') + raw.execute() + raw.FLUSH)
        assert raw.kinds(client.receive_until(b'C')) == b'2DC'
        client.send(raw.SYNC)
        client.receive_until(b'Z')
        client.send(raw.TERMINATE)
    [row] = trail.settled(app)
    assert (row['rows'], row['outcome']) == (1, 'success')


def test_a_function_call_is_recorded(appliance, trail, app):
    with session(appliance, app) as client:
        # abs(int4) is OID 1397; binary argument and result.
        client.send(raw.message(b'F', struct.pack('!IHHHiiH', 1397, 1, 1, 1, 4, -42, 1)))
        got = client.receive_until(b'Z')
        assert raw.kinds(got) == b'VZ'
        assert got[0][1] == struct.pack('!ii', 4, 42)
        client.send(raw.TERMINATE)
    [row] = trail.settled(app)
    assert (row['message_type'], row['outcome']) == ('F', 'success')


def test_copy_messages_of_every_size_pass(appliance, trail, app):
    with session(appliance, app) as client:
        client.run('CREATE TEMP TABLE c (t text)')
        client.send(raw.query('COPY c FROM STDIN'))
        assert client.receive()[0] == b'G'
        for size in (1, 2, 1000, 65535, 65536, 65537, 1_000_000):
            client.send(raw.message(b'd', b'y' * (size - 1) + b'\n'))
        client.send(raw.message(b'c'))
        assert raw.kinds(client.receive_until(b'Z')) == b'CZ'
        client.send(raw.query('COPY c TO STDOUT'))
        got = client.receive_until(b'Z')
        assert sum(len(body) for kind, body in got if kind == b'd') == 1 + 2 + 1000 + 65535 + 65536 + 65537 + 1_000_000
        client.send(raw.TERMINATE)
    assert [(row['rows'], row['outcome']) for row in trail.settled(app)][1:] == [(7, 'success'), (7, 'success')]


def test_sync_inside_copy_in_is_swallowed_as_the_server_does(appliance, trail, app):
    with session(appliance, app) as client:
        client.run('CREATE TEMP TABLE c (t text)')
        client.send(raw.parse('', 'COPY c FROM STDIN') + raw.bind('', '') + raw.execute() + raw.SYNC)
        client.receive_until(b'G')
        client.send(raw.message(b'd', b'a\n') + raw.SYNC + raw.message(b'd', b'b\n') + raw.message(b'c') + raw.SYNC)
        assert raw.kinds(client.receive_until(b'Z')) == b'CZ'
        assert raw.rows(client.run('SELECT count(*) FROM c')) == [[b'2']]
        client.send(raw.TERMINATE)
    assert [row['rows'] for row in trail.settled(app)][1:] == [2, 1]


def run_extended(client, text):
    client.send(raw.parse('', text) + raw.bind('', '') + raw.execute() + raw.SYNC)
    got = client.receive_until(b'Z')
    assert b'E' not in raw.kinds(got), got
    return got


def logged_statements(cluster, since):
    """What the server says that it ran, in order: of whatever message, each once."""
    found = []
    for line in cluster.logged(since).splitlines():
        for mark in ('LOG:  statement: ', 'LOG:  execute '):
            if mark in line and '|ringfence/alice' in line:
                text = line.split(mark, 1)[1]
                found.append(text.split(': ', 1)[1] if 'execute' in mark else text)
    return found


def test_names_made_by_sql_in_the_extended_protocol_have_their_texts(appliance, trail, app):
    """PREPARE, DECLARE and DEALLOCATE by Parse, Bind, Execute; what runs by the names is what the server's log says."""
    since = appliance.target.log_position()
    with session(appliance, app) as client:
        run_extended(client, "PREPARE byname AS SELECT 'by name'")
        client.send(raw.bind('', 'byname') + raw.execute() + raw.SYNC)
        assert raw.rows(client.receive_until(b'Z')) == [[b'by name']]
        client.run('BEGIN')
        run_extended(client, 'DECLARE c CURSOR FOR SELECT n FROM generate_series(1, 5) n')
        client.send(raw.execute('c', 2) + raw.SYNC)
        assert raw.kinds(client.receive_until(b'Z')) == b'DDsZ'
        client.run('COMMIT')
        run_extended(client, 'DEALLOCATE byname')
        client.send(raw.parse('byname', "SELECT 'anew'") + raw.bind('', 'byname') + raw.execute() + raw.SYNC)
        assert raw.rows(client.receive_until(b'Z')) == [[b'anew']]
        client.send(raw.TERMINATE)
    rows = trail.settled(app)
    assert {row['outcome'] for row in rows} == {'success'}
    assert [row['statement'] for row in rows] == [
        "PREPARE byname AS SELECT 'by name'", "SELECT 'by name'", 'BEGIN',
        'DECLARE c CURSOR FOR SELECT n FROM generate_series(1, 5) n', 'SELECT n FROM generate_series(1, 5) n', 'COMMIT',
        'DEALLOCATE byname', "SELECT 'anew'"]
    # The log names a prepared statement or a cursor by the statement that made it.
    assert logged_statements(appliance.target, since) == [
        "PREPARE byname AS SELECT 'by name'", "PREPARE byname AS SELECT 'by name'", 'BEGIN',
        'DECLARE c CURSOR FOR SELECT n FROM generate_series(1, 5) n',
        'DECLARE c CURSOR FOR SELECT n FROM generate_series(1, 5) n', 'COMMIT', 'DEALLOCATE byname', "SELECT 'anew'"]


def test_a_name_made_inside_a_function_is_recorded_as_not_known(appliance, trail, app):
    with session(appliance, app) as client:
        client.run("DO $$ BEGIN EXECUTE 'PREPARE hidden AS SELECT 5'; END $$")
        client.send(raw.bind('', 'hidden') + raw.execute() + raw.SYNC)
        assert raw.rows(client.receive_until(b'Z')) == [[b'5']]
        client.send(raw.TERMINATE)
    row = trail.settled(app)[-1]
    assert row['statement'] == '-- text not known: portal "" of prepared statement "hidden"'
    assert (row['outcome'], row['rows'], row['statement_bytes']) == ('success', 1, 0)


def test_set_application_name_is_followed(appliance, trail, app):
    since = appliance.target.log_position()
    with session(appliance, app) as client:
        client.run('SELECT 1')
        client.run("SET application_name = '%s-second'" % app)
        client.run('SELECT 2')
        [mine] = [one for one in appliance.sessions() if one['application_name'] == app + '-second']
        client.run('RESET application_name')
        client.run('SELECT 3')
        client.send(raw.TERMINATE)
    assert [(row['application_name'], row['statement']) for row in trail.settled(app)] == [
        (app, 'SELECT 1'), (app, "SET application_name = '%s-second'" % app), (app + '-second', 'SELECT 2'),
        (app + '-second', 'RESET application_name'), (app, 'SELECT 3')]
    log = appliance.target.logged(since)
    [line] = [line for line in log.splitlines() if line.endswith('statement: SELECT 2')]
    assert '|%s-second|' % app in line and mine['state'] == 'idle'


def test_what_follows_terminate_or_a_fatal_was_not_executed(appliance, trail, app):
    """The server's log has none of it."""
    since = appliance.target.log_position()
    with session(appliance, app) as client:
        client.send(raw.query("SELECT 'before'") + raw.TERMINATE + raw.query("SELECT 'behind 1'")
                    + raw.parse('', "SELECT 'behind 2'") + raw.bind('', '') + raw.execute() + raw.SYNC)
        client.receive_until(b'Z')
    assert [(row['statement'], row['outcome']) for row in trail.settled(app)] == [
        ("SELECT 'before'", 'success'), ("SELECT 'behind 1'", 'not_executed'), ("SELECT 'behind 2'", 'not_executed')]
    fatal = app + '-fatal'
    with session(appliance, fatal) as client:
        client.send(raw.query('SELECT pg_terminate_backend(pg_backend_pid())') + raw.query("SELECT 'behind 3'")
                    + raw.parse('', "SELECT 'behind 4'") + raw.bind('', '') + raw.execute() + raw.SYNC
                    + raw.query("SELECT 'behind 5'"))
        client.receive_until(b'E')
    assert [(row['statement'], row['outcome']) for row in trail.settled(fatal)] == [
        ('SELECT pg_terminate_backend(pg_backend_pid())', 'failure'), ("SELECT 'behind 3'", 'not_executed'),
        ("SELECT 'behind 4'", 'not_executed'), ("SELECT 'behind 5'", 'not_executed')]
    log = appliance.target.logged(since)
    assert "SELECT 'before'" in log and 'behind' not in log


@pytest.mark.parametrize('size', [8191, 8192, 16383, 65535, 65536, 65537, 131072, 1_000_003])
def test_values_around_every_buffer_size_pass_both_ways(appliance, size):
    with session(appliance) as client:
        value = b'z' * size
        client.send(raw.parse('', 'SELECT $1::text, length($1)') + raw.bind('', '', [value]) + raw.execute() + raw.SYNC)
        assert raw.rows(client.receive_until(b'Z')) == [[value, b'%d' % size]]
        assert raw.rows(client.run("SELECT '%s'" % value.decode())) == [[value]]


def test_a_value_of_50_mb_passes_both_ways(appliance, trail, app):
    with session(appliance, app, timeout=60) as client:
        value = b'q' * 50_000_000
        client.send(raw.parse('', 'SELECT $1::text') + raw.bind('', '', [value]) + raw.execute() + raw.SYNC)
        [[got]] = raw.rows(client.receive_until(b'Z'))
        assert got == value
        client.send(raw.TERMINATE)
    [row] = trail.settled(app)
    assert row['parameters_truncated'] is True
    assert row['bytes_to_client'] > 50_000_000
    assert row['bytes_to_server'] > 50_000_000


def test_cancel_with_a_wrong_key_does_nothing(appliance):
    with session(appliance) as client:
        client.send(raw.query('SELECT pg_sleep(0.5)'))
        with raw.RawClient(appliance.pg_port) as other:
            wrong = bytes(byte ^ 0xff for byte in client.key)
            other.send(struct.pack('!II', 8 + len(wrong), 80877102) + wrong)
            assert other.at_end()
        assert b'E' not in raw.kinds(client.receive_until(b'Z'))


def test_cancel_reaches_the_statement_from_any_connection(appliance, trail, app):
    for _ in range(4):  # Connections land on different shards.
        with session(appliance, app) as client:
            client.send(raw.query('SELECT pg_sleep(30)'))
            harness.time.sleep(0.1)
            with raw.RawClient(appliance.pg_port) as other:
                other.send(struct.pack('!II', 8 + len(client.key), 80877102) + client.key)
                other.at_end()
            got = client.receive_until(b'Z')
            assert [raw.error_fields(body)['C'] for kind, body in got if kind == b'E'] == ['57014']
            client.send(raw.TERMINATE)
    assert {row['outcome'] for row in trail.settled(app, sessions=4)} == {'cancelled'}
