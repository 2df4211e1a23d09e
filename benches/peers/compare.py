#!/usr/bin/env python3
"""compare.py BINARY: Larder beside its peers, in one run.

Every server under test, and the Redis or memcached behind it, runs on one core; the load (wrk) and the origin run on another.
All are started before the first round, and are idle while another one is measured. Rounds are interleaved, each begins with
another row, so that what the machine does meanwhile meets all rows alike. Ratios of medians are worth something, absolute
figures are not.

Beside requests a second stands the CPU time that one of them took on the server's side, kernel included. It hardly moves when
somebody else uses the machine.
"""

import argparse
import contextlib
import os
import pathlib
import re
import statistics
import subprocess
import tempfile
import time

import servers

SERVER_CORE = 0
LOAD_CORE = 1 if os.cpu_count() > 1 else 0

# Ours, theirs, and by how much ours is to be better; without a bar, for comparison.
BARS = [
    ("memory", "nginx return 200", 0.95),
    ("memory", "nginx proxy_cache", 1.9),
    ("memory", "haproxy cache", 1.25),
    ("memory", "varnish", 2.3),
    ("memory", "memory before", None),
    ("memory beside redis", "memory", None),
    ("redis", "nginx memcached_pass", 1.3),
    ("redis", "nginx proxy_cache, many", 1.0),
    ("redis", "redis before", None),
    ("memory, many", "nginx proxy_cache, many", None),
    ("bypass", "nginx proxy_pass", 1.1),
    ("bypass", "haproxy", 1.1),
    ("memory 100k", "nginx proxy_cache 100k", 1.1),
    ("memory 100k", "haproxy cache 100k", 1.1),
    ("memory 100k", "varnish 100k", 1.1),
]


class Row:
    """One server on one path, and what was measured of it."""

    def __init__(self, server, path, *behind, size=servers.BODY, asks_origin=False, keys=None):
        self.server, self.path, self.behind = server, path, behind
        self.size, self.asks_origin, self.keys = size, asks_origin, keys
        self.rates, self.costs = [], []

    def check(self):
        """That it gives what it is measured for."""
        # The first request fills, and what it brought may be there a moment later.
        for _ in range(50):
            before = self.server.get(self.path)
            status, fields, body = self.server.get(self.path)
            anew = fields["Origin-Mark"] is not None and fields["Origin-Mark"] != before[1]["Origin-Mark"]
            if status == 200 and len(body) == self.size and anew == self.asks_origin:
                return
            time.sleep(0.1)
        raise SystemExit(f"{self.path} gives {status}, {len(body)} bytes, {fields}\n{self.server.log()}")

    def forget(self):
        """What was measured so far was to warm up."""
        self.rates, self.costs = [], []

    def measure(self, connections, seconds):
        """Load for a while."""
        used = [server.cpu_seconds() for server in (self.server, *self.behind)]
        output = subprocess.run(
            [
                *("taskset", "-c", str(LOAD_CORE), "wrk", "-t1", f"-c{connections}", f"-d{seconds}s"),
                *(("-s", pathlib.Path(__file__).with_name("keys.lua")) if self.keys else ()),
                f"http://127.0.0.1:{self.server.port}{self.path}",
            ],
            env=os.environ | {"COUNT": str(self.keys)},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        if "Non-2xx" in output or "Socket errors" in output:
            raise SystemExit(f"{self.path} fails under load:\n{output}\n{self.server.log()}")
        used = sum(server.cpu_seconds() for server in (self.server, *self.behind)) - sum(used)
        self.rates.append(float(re.search(r"Requests/sec:\s+([\d.]+)", output)[1]))
        self.costs.append(used / int(re.search(r"(\d+) requests in", output)[1]) * 1e6)


def rows(stack, folder, binary, before):
    """Starts everything; the rows by name."""

    def run(start, name, core=SERVER_CORE, *arguments):
        server = start(f"{folder}/{name}", core, *arguments)
        stack.callback(server.stop)
        return server

    origin = run(servers.origin, "origin", LOAD_CORE)
    memcached = run(servers.memcached, "memcached")
    redis = run(servers.redis, "redis")
    nginx = run(servers.nginx_peer, "nginx", SERVER_CORE, origin, memcached)
    haproxy = run(servers.haproxy, "haproxy", SERVER_CORE, origin)
    varnish = run(servers.varnish, "varnish", SERVER_CORE, origin)
    alone = run(servers.larder, "alone", SERVER_CORE, binary, origin)
    shared = run(servers.larder, "shared", SERVER_CORE, binary, origin, redis)
    print(f"resident when idle: {alone.resident():.1f} MiB, with Redis {shared.resident():.1f} MiB\n")
    large, many = {"size": servers.LARGE}, {"keys": servers.KEYS}
    found = {
        "nginx return 200": Row(nginx, "/return"),
        "nginx proxy_cache": Row(nginx, "/cache/"),
        "memory": Row(alone, "/1k"),
        "memory beside redis": Row(shared, "/1k", redis),
        "nginx proxy_cache, many": Row(nginx, "/cache/0", **many),
        "nginx memcached_pass": Row(nginx, "/memcached/0", memcached, **many),
        "redis": Row(shared, "/redis/0", redis, **many),
        "memory, many": Row(alone, "/0", **many),
        "nginx proxy_pass": Row(nginx, "/pass/", asks_origin=True),
        "bypass": Row(alone, "/pass/1k", asks_origin=True),
        "nginx proxy_cache 100k": Row(nginx, "/cache/100k", **large),
        "memory 100k": Row(alone, "/100k", **large),
        "haproxy cache": Row(haproxy, "/1k"),
        "haproxy": Row(haproxy, "/pass/1k", asks_origin=True),
        "haproxy cache 100k": Row(haproxy, "/100k", **large),
        "varnish": Row(varnish, "/1k"),
        "varnish 100k": Row(varnish, "/100k", **large),
    }
    if before:
        found["memory before"] = Row(run(servers.larder, "before", SERVER_CORE, before, origin), "/1k")
        if servers.knows_redis(before):
            older = run(servers.larder, "before with redis", SERVER_CORE, before, origin, redis)
            found["redis before"] = Row(older, "/redis/0", redis, **many)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary", type=pathlib.Path, help="the larder to measure")
    parser.add_argument("--before", type=pathlib.Path, help="an older larder, to be measured beside it")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="of load, a row and round")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--only", default="", help="only rows that this regular expression finds")
    arguments = parser.parse_args()
    if LOAD_CORE == SERVER_CORE:
        print("one core only: server and load share it, and the figures say little")
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        found = rows(stack, folder, arguments.binary.resolve(), arguments.before and arguments.before.resolve())
        found = {name: row for name, row in found.items() if re.search(arguments.only, name)}
        for row in found.values():
            row.check()
            row.measure(arguments.connections, 1)
            row.forget()
        order = list(found.values())
        for _ in range(arguments.rounds):
            for row in order:
                row.measure(arguments.connections, arguments.seconds)
            order.append(order.pop(0))
        report(found)


def report(found):
    """Medians, then ratios against their bars."""
    print(f"{'row':24}{'requests/s':>12}{'spread':>9}{'µs CPU':>9}")
    for name, row in found.items():
        rate = statistics.median(row.rates)
        spread = (max(row.rates) - min(row.rates)) / rate
        print(f"{name:24}{rate:12,.0f}{spread:9.0%}{statistics.median(row.costs):9.2f}")
    print(f"\n{'ours':20}{'theirs':24}{'ratio':>7}{'by CPU':>8}{'bar':>6}")
    for ours, theirs, bar in BARS:
        if ours in found and theirs in found:
            ratio = statistics.median(found[ours].rates) / statistics.median(found[theirs].rates)
            cost = statistics.median(found[theirs].costs) / statistics.median(found[ours].costs)
            verdict = "" if bar is None else f"{bar:6.2f}" + ("" if ratio >= bar else "  missed")
            print(f"{ours:20}{theirs:24}{ratio:7.2f}{cost:8.2f}{verdict}")


if __name__ == "__main__":
    main()
