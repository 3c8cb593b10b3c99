"""What an idle session costs: the growth of the process's own memory for each authenticated pair of connections.

The figure is the growth of Pss (smaps) between two numbers of pairs, each of which has run a statement, so that what is
there once, buffers and the shards' pools, does not count. Mappings of files are left out: the journal belongs to the
page cache, and its size to the statements, not to the pairs; the program and its libraries are shared with other
processes, whose number changes their Pss. Sockets are the kernel's and in no process's Pss.
"""
import contextlib
import functools
import hashlib
import resource
import time

import pytest

import harness
import raw

# 3.0 to 3.25 KiB are measured; a size class of the allocator above that. Of 200 pairs its granularity shows.
PAIR_OF_2000_BYTES_MAX = 3_584
PAIR_OF_200_BYTES_MAX = 5 * 1024
WHITELIST = ['^SELECT [a-z]+ FROM report_%02d WHERE id = [0-9]+$' % number for number in range(99)] + ['^SELECT ']


def settled_pss(appliance):
    """When the allocator has given back what it will: the same figure, but for a page or two, for a while."""
    last, same = appliance.own_memory(), 0
    for _ in range(60):
        time.sleep(0.25)
        now = appliance.own_memory()
        same = same + 1 if abs(now - last) <= 64 * 1024 else 0
        last = now
        if same == 6:
            break
    return last


@pytest.fixture
def many_files():
    """Limits high enough for both ends of some thousand connections; the appliance inherits them."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    if before[1] < 12_000 and before[1] != resource.RLIM_INFINITY:
        pytest.fail('the hard limit of open files is %d; 12000 are needed: ulimit -Hn' % before[1])
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(before[1], 65_536), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.fixture
def cheap_scram(monkeypatch):
    """The same user logs in thousands of times: its key is derived once."""
    monkeypatch.setattr(hashlib, 'pbkdf2_hmac', functools.lru_cache(hashlib.pbkdf2_hmac))


def growth(appliance, database, warm, pairs, statements_each):
    """Bytes for each pair between `warm` and `warm + pairs` pairs."""
    with contextlib.ExitStack() as stack:
        def open_pair(statements):
            client = stack.enter_context(raw.RawClient(appliance.pg_port))
            client.log_in('alice', harness.USERS['alice'], database, application_name='memory')
            client.send(raw.parse('kept', 'select 1') + raw.SYNC)
            assert raw.kinds(client.receive_until(b'Z')) == b'1Z'
            for _ in range(statements):
                assert raw.kinds(client.run('select 1')) == b'TDCZ'

        for _ in range(warm):
            open_pair(statements_each)
        before = settled_pss(appliance)
        for _ in range(pairs):
            open_pair(1)
        after = settled_pss(appliance)
        # Only now: to list them all costs memory too.
        assert len(appliance.sessions()) == warm + pairs
        return (after - before) / pairs


@pytest.mark.usefixtures('many_files', 'cheap_scram')
def test_two_thousand_idle_pairs_with_policies_and_a_trail_cost_little_memory(own, fake_backend, capsys):
    appliance = own(policies=[{'name': 'readers', 'roles': ['operator'], 'tags': ['*'], 'level': 'read', 'whitelist': WHITELIST}],
                    targets=[{'name': 'fake', 'host': '127.0.0.1', 'port': fake_backend, 'database': 'shop',
                              'user': 'shop_app', 'password': 'none'}],
                    limits={'connections_max': 10_000}, log={'level': 'warning'})
    appliance.start()
    each = growth(appliance, 'fake', 500, 2_000, 4)
    with capsys.disabled():
        print('\n%.0f bytes for an idle pair of 2,000 (fake server)' % each)
    assert 0 < each <= PAIR_OF_2000_BYTES_MAX


@pytest.mark.usefixtures('many_files', 'cheap_scram')
def test_two_hundred_idle_pairs_with_a_real_server_cost_little_memory(own, capsys):
    appliance = own(limits={'connections_max': 1_000}, log={'level': 'warning'}).start()
    each = growth(appliance, 'shop', 60, 200, 40)
    with capsys.disabled():
        print('\n%.0f bytes for an idle pair of 200 (PostgreSQL)' % each)
    assert 0 < each <= PAIR_OF_200_BYTES_MAX
