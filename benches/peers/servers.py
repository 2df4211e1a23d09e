"""How each server is run: at its best for one core, with everything it writes in a folder that goes away."""

import getpass
import http.client
import os
import pathlib
import shutil
import socket
import subprocess
import time

BODY = 1024
LARGE = 100 * 1024
KEYS = 1000

# What runs under load keeps its connections for as long as it is asked.
NGINX = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
{user}
events {{ worker_connections 4096; }}
http {{
    access_log off;
    sendfile on;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    default_type text/plain;
    client_body_temp_path {folder}/client;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
{http}
}}
"""

# The mark tells replies of the origin apart from each other, so that a hit can be told from what was asked for anew.
ORIGIN = """
    server {{
        listen 127.0.0.1:{port} backlog=4096 reuseport;
        add_header Cache-Control max-age=3600;
        add_header Origin-Mark $request_id;
        root {folder}/files;
        open_file_cache max=16 inactive=1h;
        location / {{ return 200 "{body}"; }}
        location /100k {{ }}
    }}
"""

PEER = """
    open_file_cache max=1000 inactive=1h;
    open_file_cache_valid 1h;
    proxy_cache_path {folder}/cache keys_zone=cache:8m max_size=64m inactive=1h use_temp_path=off;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    upstream origin {{ server 127.0.0.1:{origin}; keepalive 128; keepalive_requests 1000000000; keepalive_timeout 1h; }}
    upstream memcached {{ server 127.0.0.1:{memcached}; keepalive 128; keepalive_requests 1000000000; keepalive_timeout 1h; }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location /return {{ return 200 "{body}"; }}
        location /cache/ {{ proxy_cache cache; proxy_pass http://origin/; }}
        location /pass/ {{ proxy_pass http://origin/; }}
        location /memcached {{ set $memcached_key $uri; memcached_pass memcached; }}
    }}
"""

HAPROXY = """
global
    nbthread 1
    maxconn 4096
defaults
    mode http
    http-reuse always
    timeout connect 5s
    timeout client 1h
    timeout server 1h
    timeout http-keep-alive 1h
cache store
    total-max-size 64
    max-object-size 1000000
    max-age 3600
frontend cached
    bind 127.0.0.1:{port}
    use_backend passing if {{ path_beg /pass/ }}
    default_backend caching
backend caching
    http-request cache-use store
    http-response cache-store store
    server origin 127.0.0.1:{origin}
backend passing
    server origin 127.0.0.1:{origin}
"""

VARNISH = """
vcl 4.1;
backend default {{ .host = "127.0.0.1"; .port = "{origin}"; }}
"""

LARDER = """
threads: 1
listen: [{{ address: "127.0.0.1:{port}" }}]
admin: {{ address: "127.0.0.1:{admin}" }}
origins: {{ default: {{ servers: ["http://127.0.0.1:{origin}"], keepalive: 128 }} }}
{redis}
routes:
  - {{ name: bypass, path: "/pass/**", cache: bypass }}
{shared}
  - {{ name: memory, path: "/**", cache: {{ ttl: 1h }} }}
"""


def free_port():
    """A port that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A process on one core, with a folder of its own."""

    def __init__(self, folder, core):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir()
        self.core = core
        self.port = free_port()
        self.process = None

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return path

    def start(self, *command):
        log = open(self.folder / "output.log", "wb")
        pinned = ["taskset", "-c", str(self.core), *map(str, command)]
        environment = os.environ | {"LARDER_LOG": os.environ.get("LARDER_LOG", "warn")}
        self.process = subprocess.Popen(pinned, stdout=log, stderr=log, cwd=self.folder, env=environment)
        self.wait()
        return self

    def wait(self):
        """Until somebody answers at the port."""
        deadline = time.monotonic() + 30
        while True:
            try:
                return socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(f"{self.process.args[3]} does not start:\n" + self.log())
                time.sleep(0.05)

    def log(self):
        return "".join(path.read_text(errors="replace") for path in self.folder.glob("*.log"))

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def get(self, path):
        """A reply: status, fields, body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("GET", path)
        reply = connection.getresponse()
        return reply.status, reply.headers, reply.read()

    def processes(self):
        """The process and its descendants: a supervisor leaves the work to workers."""
        found = [self.process.pid]
        for pid in found:
            children = pathlib.Path(f"/proc/{pid}/task/{pid}/children")
            found.extend(map(int, children.read_text().split()))
        return found

    def cpu_seconds(self):
        """CPU time of all its threads so far."""
        threads = (task for pid in self.processes() for task in pathlib.Path(f"/proc/{pid}/task").iterdir())
        return sum(int((task / "schedstat").read_text().split()[0]) for task in threads) / 1e9

    def resident(self):
        """Resident memory in MiB."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024


def nginx(server, http_block):
    # Workers of a master that root started would be somebody who may not write here.
    user = f"user {getpass.getuser()};" if os.getuid() == 0 else ""
    config = NGINX.format(folder=server.folder, user=user, http=http_block)
    return server.start(shutil.which("nginx"), "-c", server.write("nginx.conf", config))


def origin(folder, core):
    server = Server(folder, core)
    (server.folder / "files").mkdir()
    (server.folder / "files" / "100k").write_text("x" * LARGE)
    return nginx(server, ORIGIN.format(port=server.port, folder=server.folder, body="x" * BODY))


def nginx_peer(folder, core, origin, memcached):
    server = Server(folder, core)
    block = PEER.format(
        port=server.port, folder=server.folder, body="x" * BODY, origin=origin.port, memcached=memcached.port
    )
    return nginx(server, block)


def haproxy(folder, core, origin):
    server = Server(folder, core)
    config = server.write("haproxy.cfg", HAPROXY.format(port=server.port, origin=origin.port))
    return server.start(shutil.which("haproxy"), "-db", "-f", config)


def varnish(folder, core, origin):
    server = Server(folder, core)
    program = server.write("default.vcl", VARNISH.format(origin=origin.port))
    address = f"127.0.0.1:{server.port}"
    return server.start(
        *(shutil.which("varnishd"), "-F", "-j", "none", "-n", server.folder / "state", "-a", address),
        *("-f", program, "-s", "malloc,64m", "-p", "thread_pools=1", "-T", "none"),
    )


def memcached(folder, core):
    server = Server(folder, core)
    user = ["-u", getpass.getuser()] if os.getuid() == 0 else []
    server.start(shutil.which("memcached"), "-l", "127.0.0.1", "-p", server.port, "-U", 0, "-t", 1, *user)
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        for number in range(KEYS):
            connection.sendall(b"set /memcached/%d 0 0 %d\r\n%s\r\n" % (number, BODY, b"x" * BODY))
            assert connection.recv(64) == b"STORED\r\n"
    return server


def redis(folder, core):
    server = Server(folder, core)
    no_disk = ["--save", "", "--appendonly", "no", "--dir", server.folder]
    return server.start(shutil.which("redis-server"), "--bind", "127.0.0.1", "--port", server.port, *no_disk)


def larder(folder, core, binary, origin, redis=None):
    server = Server(folder, core)
    shared = redis and '  - { name: redis, path: "/redis/**", cache: { ttl: 1h, memory: false } }'
    config = LARDER.format(
        port=server.port,
        admin=free_port(),
        origin=origin.port,
        redis=f"redis: {{ url: redis://127.0.0.1:{redis.port} }}" if redis else "",
        shared=shared or "",
    )
    return server.start(binary, "run", "-c", server.write("proxy.yaml", config))


def knows_redis(binary):
    """Whether this larder is new enough to share a tier."""
    check = [binary, "check", "-c", "/dev/stdin"]
    text = "{ origin: http://127.0.0.1:1, redis: { url: redis://127.0.0.1:1 } }"
    return subprocess.run(check, input=text, capture_output=True, text=True).returncode == 0
