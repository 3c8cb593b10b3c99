"""The same attempts against servers newer than Debian's."""
import pytest

import harness
import senders
import test_adversary
from programs import unpack
from wall import Wall

pytestmark = pytest.mark.long


@pytest.fixture(scope='module', params=['17', '18'])
def newer_wall(request):
    directory = harness.work_directory('newer')
    native = unpack(request.param, directory)
    old, harness.PG_BIN = harness.PG_BIN, native / 'bin'
    try:
        one = Wall()
        assert one.cluster.sql('SHOW server_version')[0][0].startswith(request.param)
        yield one
        one.stop()
    finally:
        harness.PG_BIN = old
    harness.remove(directory)


@pytest.mark.parametrize('family', list(test_adversary.FAMILIES))
@pytest.mark.parametrize('database, way', [('super', 'query'), ('owner', 'parse'), ('select', 'query')])
def test_by_psycopg(newer_wall, family, database, way):
    session = senders.Psycopg(newer_wall, database)
    test_adversary.try_all(newer_wall, session, getattr(session, way), way, test_adversary.by_way(test_adversary.FAMILIES[family], way))


def test_by_bytes(newer_wall):
    test_adversary.test_by_bytes(newer_wall, 'super', None)
