"""Hostile functions and the network: the cloud's endpoint can be reached, and nothing else.

The sandbox has a network namespace with a loopback of its own; the cloud listens inside it. Nothing of the machine's
network is there: no interface, no route, no socket of anybody else's, no name in the abstract Unix namespace.
"""

from __future__ import annotations

import socket
import threading

import pytest

HONEST = "def handler(event, context): return event"


@pytest.fixture(autouse=True)
def still_serves(machine):
    """After the attack others are served as before."""
    yield
    assert machine.function(HONEST)("well") == "well"


@pytest.fixture
def listener():
    """A service of the machine that listens on all addresses, and the number of those who came."""
    with socket.create_server(("0.0.0.0", 0)) as server:
        server.settimeout(0.05)
        yield server


def test_the_cloud_is_reached(machine):
    """Through AWS_ENDPOINT_URL, by many connections one after the other."""
    function = machine.function(
        """
import os, urllib.request
def handler(event, context):
    return [urllib.request.urlopen(os.environ["AWS_ENDPOINT_URL"] + "/x").read().decode() for _ in range(20)]
"""
    )
    assert function() == ["the cloud!"] * 20


def test_services_of_the_machine_are_not_reached(machine, listener):
    """Neither on its loopback, nor on an address of its own."""
    function = machine.function(
        """
import socket
def handler(event, context):
    failed = []
    for address in event["addresses"]:
        try:
            socket.create_connection((address, event["port"]), timeout=1).close()
        except OSError as error:
            failed.append(address)
    return failed
"""
    )
    addresses = ["127.0.0.1", "localhost", "0.0.0.0", *own_addresses()]
    assert function({"addresses": addresses, "port": listener.getsockname()[1]}) == addresses
    with pytest.raises(TimeoutError):
        listener.accept()


def own_addresses() -> list[str]:
    """An address of this machine that others could use, if it has one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return []
        return [probe.getsockname()[0]]


@pytest.mark.parametrize("address", ["192.0.2.1", "8.8.8.8", "169.254.169.254", "169.254.170.2"])
def test_nothing_outside_is_reached(machine, address):
    """No route: not to the internet, not to a metadata service."""
    function = machine.function(
        f"import socket\ndef handler(event, context):\n    try: socket.create_connection(({address!r}, 80), timeout=2)\n    except OSError as error: return error.errno"
    )
    assert function() == 101  # ENETUNREACH


def test_datagrams_go_nowhere(machine):
    """UDP has no route either, and names are not resolved."""
    function = machine.function(
        """
import socket
def handler(event, context):
    answers = []
    try:
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("192.0.2.1", 53))
    except OSError as error:
        answers.append(error.errno)
    try:
        socket.getaddrinfo("example.com", 80)
    except socket.gaierror:
        answers.append("unknown")
    return answers
"""
    )
    assert function() == [101, "unknown"]


def test_only_loopback_is_there(machine):
    """No interface of the machine can be seen."""
    assert machine.function(
        "import socket\ndef handler(event, context): return [n for _, n in socket.if_nameindex()]"
    )() == ["lo"]


def test_the_clouds_port_cannot_be_taken_over(machine):
    """It is bound; another port is the function's own business, in its own namespace."""
    function = machine.function(
        """
import socket
def handler(event, context):
    try:
        socket.create_server(("127.0.0.1", 4566))
        taken = True
    except OSError as error:
        taken = False
    own = socket.create_server(("127.0.0.1", event))
    socket.create_connection(("127.0.0.1", event)).close()
    own.close()
    return taken
"""
    )
    with socket.create_server(("127.0.0.1", 0)) as used:
        assert function(used.getsockname()[1]) is False


def test_other_functions_ports_are_not_reached(machine):
    """Each worker has a loopback of its own."""
    serving = machine.function(
        "import socket, time\ndef handler(event, context):\n    s = socket.create_server(('0.0.0.0', 8080)); time.sleep(1.5); return 1"
    )
    trying = machine.function(
        "import socket\ndef handler(event, context):\n    try: socket.create_connection(('127.0.0.1', 8080), timeout=1); return 'reached'\n    except ConnectionRefusedError: return 'refused'"
    )
    running = serving.begin()
    assert trying() == "refused"
    assert running.result(30)["error"] is None


def test_abstract_sockets_of_the_machine_are_not_reached(machine):
    """Names without a file belong to the network namespace too."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("\0pilvi-test-abstract")
        server.listen()
        function = machine.function(
            "import socket\ndef handler(event, context):\n    try: socket.socket(socket.AF_UNIX).connect('\\0pilvi-test-abstract'); return 'reached'\n    except OSError as error: return 'refused'"
        )
        assert function() == "refused"


def test_unix_sockets_of_the_machine_are_not_reached(machine):
    """Their files are not there."""
    path = str(machine.reachable / "socket")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        function = machine.function(
            f"import socket\ndef handler(event, context):\n    try: socket.socket(socket.AF_UNIX).connect({path!r}); return 'reached'\n    except FileNotFoundError: return 'absent'"
        )
        assert function() == "absent"


def test_connections_left_open_do_not_stop_the_next_invocation(machine):
    """A function that opens many and sends nothing hurts itself alone."""
    function = machine.function(
        """
import os, socket
kept = []
def handler(event, context):
    for _ in range(200):
        kept.append(socket.create_connection(("127.0.0.1", int(os.environ["AWS_ENDPOINT_URL"].rpartition(":")[2]))))
    return len(kept)
"""
    )
    answers: list[object] = []
    threads = [threading.Thread(target=lambda: answers.append(machine.function(HONEST)(1))) for _ in range(3)]
    assert function() == 200
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [1, 1, 1]
