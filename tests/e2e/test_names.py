"""Names of prepared statements and portals are the server's: what runs by one is what the record says."""
import pytest
import raw
from harness import USERS

LONG = 'n' * 63


@pytest.mark.parametrize('first, dropped, second, bound', [
    (LONG + '1', LONG + '2', LONG + '3', LONG + '1'), (LONG, LONG + '1', LONG + '2', LONG),
    ('n' * 62 + 'é', 'n' * 62 + 'ê', 'n' * 62 + 'è', 'n' * 62 + 'é')])
def test_names_that_are_one_to_the_server_are_one_in_the_trail(appliance, trail, app, first, dropped, second, bound):
    with raw.RawClient(appliance.pg_port) as client:
        client.log_in('alice', USERS['alice'], 'shop', application_name=app)
        for messages in (raw.parse(first, 'SELECT 1'), raw.close(b'S', dropped), raw.parse(second, 'SELECT 2'),
                         raw.bind('', bound) + raw.execute('')):
            client.send(messages + raw.SYNC)
            got = client.receive_until(b'Z')
            assert b'E' not in raw.kinds(got), got
        assert raw.rows(got) == [[b'2']]
    row, = trail.settled(app)
    assert row['statement'] == 'SELECT 2'


def test_a_name_with_another_character_at_the_cut_is_another_name(appliance, trail, app):
    with raw.RawClient(appliance.pg_port) as client:
        client.log_in('alice', USERS['alice'], 'shop', application_name=app)
        client.send(raw.parse('n' * 62 + 'é', 'SELECT 1') + raw.parse('n' * 62 + '日', 'SELECT 2') + raw.SYNC)
        client.receive_until(b'Z')
        client.send(raw.bind('', 'n' * 62 + 'ê') + raw.execute('') + raw.bind('', 'n' * 62 + '日') + raw.execute('') + raw.SYNC)
        assert raw.rows(client.receive_until(b'Z')) == [[b'1'], [b'2']]
    assert [row['statement'] for row in trail.settled(app)] == ['SELECT 1', 'SELECT 2']
