"""What the prepared statements and portals of one session may keep of the appliance's memory has a bound, told to who reaches
it; what is closed counts no more."""
import itertools

import pytest

import harness
import raw


@pytest.fixture
def one(own):
    return own(shards=1, limits={'prepared_bytes_max': 1 << 20}).start()


def log_in(one):
    client = raw.RawClient(one.pg_port)
    client.log_in('alice', harness.USERS['alice'], 'shop')
    return client


def batches(make, size=100, count=100):
    numbers = itertools.count()
    return (b''.join(make(next(numbers)) for _ in range(size)) for _ in range(count))


def until_end(client, batches):
    """Sends them until the session is ended; the fields of its last error, and how many were taken before."""
    for taken, batch in enumerate(batches):
        client.send(batch + raw.SYNC)
        for kind, body in iter(client.receive, None):
            if kind == b'E':
                return raw.error_fields(body), taken
            if kind == b'Z':
                break
    pytest.fail('the session goes on')


@pytest.mark.parametrize('begin, make', [
    ('select 1', lambda i: raw.parse('statement_%d' % i, 'select %d' % i)),
    ('begin; prepare s as select 1', lambda i: raw.bind('portal_%d' % i, 's')),
], ids=['statements', 'portals'])
def test_a_session_that_makes_names_without_end_is_ended_and_told_why(one, begin, make):
    with log_in(one) as client, log_in(one) as other:
        client.run(begin)
        fields, taken = until_end(client, batches(make))
        assert (fields['S'], fields['C']) == ('FATAL', '53400'), fields
        assert str(1 << 20) in fields['M'] and 'limits.prepared_bytes_max' in fields['H'], fields
        assert client.at_end()
        assert taken > 5
        assert raw.rows(other.run('select 7')) == [[b'7']]
    assert one.metrics()['ringfence_limits_reached_total'] == 1


def test_a_session_that_closes_what_it_prepared_may_go_on_for_ever(one):
    with log_in(one) as client:
        for batch in batches(lambda i: raw.parse('statement_%d' % i, 'select %d' % i) + raw.close(b'S', 'statement_%d' % i),
                             size=500, count=12):
            client.send(batch + raw.SYNC)
            answers = client.receive_until(b'Z')
            assert raw.kinds(answers) == b'13' * 500 + b'Z'
