import pytest

import harness
import peers


@pytest.fixture
def server():
    """server(serve): a server whose connections are served by that function."""
    made = []

    def make(serve=peers.echo):
        one = peers.Server(serve)
        made.append(one)
        return one
    yield make
    for one in made:
        one.stop()


@pytest.fixture
def raw(own):
    """raw(port, ...): an appliance with a target of type tcp there, and a listener that leads to it, .tcp_port."""
    def make(port, target=(), listener=(), **changes):
        tcp_port = harness.free_port()
        one = own(**changes)
        one.tcp_port = tcp_port
        one.config['listeners'].append({
            'name': 'raw', 'protocol': 'tcp', 'address': '127.0.0.1', 'port': tcp_port, 'target': 'cache',
            'network_users': [{'network': '127.0.0.0/8', 'user': 'alice'}], **dict(listener)})
        one.config['targets'].append({
            'name': 'cache', 'type': 'tcp', 'host': '127.0.0.1', 'port': port, 'tags': ['e2e'], **dict(target)})
        one.write_config()
        return one
    return make


@pytest.fixture
def events():
    """events(appliance, count): the connections and refusals that the trail has, once there are so many."""
    def read(appliance, count, action='tcp_disconnect'):
        trail = appliance.trail()

        def enough():
            rows = trail.rows("SELECT * FROM ringfence.audit_event WHERE action LIKE 'tcp_%' OR (category = "
                              "'authorization' AND action NOT LIKE 'role_%') ORDER BY ts, shard, seq")
            return rows if len([row for row in rows if row['action'] == action]) >= count else None
        rows = harness.eventually(enough, 30, 0.1, '%d %s' % (count, action))
        trail.connection.close()
        return rows
    return read
