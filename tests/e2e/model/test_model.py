"""Random sessions against a real server: each text has a number, the number that the client gets is the truth, and the
trail is held against it; the server's own log is a second witness. RINGFENCE_MODEL_SEED repeats a run, one session of it
with RINGFENCE_MODEL_RUNS=1."""
import collections
import os
import random

import pytest

import harness
import session as sessions
import world

SEED = int(os.environ.get('RINGFENCE_MODEL_SEED', 0))
RUNS = int(os.environ.get('RINGFENCE_MODEL_RUNS', 0))
BATCH = 48
# Of a hundred statements so many may be of a text that is not known, or presumed, or not cut out of its message.
DOUBTFUL_MAX = 10
# Of a hundred sessions so many may be ended by the appliance: restricted ones that switch standard_conforming_strings off,
# and those that use a name which a function has swapped.
ENDED_MAX = 15


@pytest.fixture(scope='module')
def one_world(target):
    world.prepare(target)
    directory = harness.work_directory('model')
    one = harness.Appliance(directory, target, log={'level': 'info'}, **world.changes(target)).start()
    here = world.World(one, target)
    yield here
    here.close()
    code = one.stop()
    harness.remove(directory)
    assert code == 0, one.log_tail()


def run(here, seed, count):
    """So many sessions; the first that contradicts its record fails, as short as it gets."""
    counts = collections.Counter()
    for first in range(seed, seed + count, BATCH):
        batch = [sessions.make(one) for one in range(first, min(first + BATCH, seed + count))]
        for session, compared in zip(batch, here.batch(batch)):
            counts += compared.counts
            counts['sessions'] += 1
            if compared.finding:
                shorter, finding = here.shrink(session, compared.finding)
                pytest.fail('%s\n%s\n\nat first: %s' % (shorter, finding, compared.finding), pytrace=False)
    print('seed %d: %s' % (seed, dict(counts)))
    doubtful = counts['unknown'] + counts['presumed'] + counts['shared'] + counts['hidden']
    assert 100 * doubtful <= DOUBTFUL_MAX * counts['statements'], counts
    assert 100 * counts['ended'] <= ENDED_MAX * counts['sessions'] + 100, counts
    assert counts['statements'] > 4 * count, counts


def test_the_record_is_what_the_client_saw(one_world):
    run(one_world, SEED or 1, RUNS or 96)


@pytest.mark.long
def test_the_record_is_what_thousands_of_clients_saw(one_world):
    run(one_world, SEED or random.SystemRandom().randrange(10 ** 6, 10 ** 9), RUNS or 4000)
