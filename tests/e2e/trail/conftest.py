import pytest

import witness


@pytest.fixture
def guarded(own, target):
    """Makes appliances with the target database in which the server's log tells everything."""
    witness.prepare(target)

    def make(**changes):
        return witness.add_target(own(**changes))
    return make


@pytest.fixture
def gate(store_cluster):
    """Makes relays to the store, which can be shut."""
    gates = []

    def make():
        gates.append(witness.Gate(store_cluster.port))
        return gates[-1]
    yield make
    for one in gates:
        one.shut()
