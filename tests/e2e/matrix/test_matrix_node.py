"""node's `pg` and `postgres`, at versions that are pinned, and the trail beside what they sent."""
import pytest

import matrix
from programs import NODE, modules  # noqa: F401


def run_case(appliance, target, trail, modules, library, case, **more):
    witness = matrix.Witness(target)
    application = matrix.application('node')
    said = matrix.run(['node', str(NODE / (library + '_cases.js')), case],
                      appliance.environment(application_name=application, NODE_PATH=str(modules), **more))
    assert said['sessions']
    matrix.check(trail, witness, said)


PG_QUICK = ['simple', 'parameters', 'prepared', 'transaction', 'cursor', 'process_id']
PG_LONG = ['failing_parse', 'limited_executes', 'large_result', 'queued', 'parallel', 'pool', 'notifications',
           'cancel']
POSTGRES_QUICK = ['parameters', 'pipelined', 'pipelined_errors', 'cursor', 'transactions']
POSTGRES_LONG = ['prepared', 'unprepared', 'large_result', 'simple', 'copy', 'described_only', 'cancel', 'parallel']


def cases(quick, long):
    return pytest.mark.parametrize('case', quick + [pytest.param(name, marks=pytest.mark.long) for name in long])


@cases(PG_QUICK, PG_LONG)
def test_node_pg(appliance, target, trail, modules, case):
    run_case(appliance, target, trail, modules, 'pg', case)


@cases(POSTGRES_QUICK, POSTGRES_LONG)
def test_node_postgres(appliance, target, trail, modules, case):
    run_case(appliance, target, trail, modules, 'postgres', case)
