"""Fast Purge v3 as its documentation has it, with the signatures recomputed by Akamai's own library.

The first line of the output is its address. Then each line of the input is answered with one of JSON: `read` lists what was
taken, `refused` what was not and why, `bucket N` leaves N objects in the bucket. It ends with its input.
"""

import json
import re
import sys
import threading
import time
from calendar import timegm
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import requests
from akamai.edgegrid.edgegrid import EdgeGridAuthHeaders

TOKENS = {"client_token": "akab-client", "client_secret": "hunter2", "access_token": "akab-access"}
PATH = re.compile(r"/ccu/v3/(invalidate|delete)/(url|tag|cpcode)/(production|staging)")
AUTHORIZATION = re.compile(
    r"EG1-HMAC-SHA256 client_token=([^;]+);access_token=([^;]+);timestamp=([^;]+);nonce=([^;]+);signature=(.+)"
)
TAG = re.compile(r"[A-Za-z0-9!#$%&'+.^_`|~-]{1,128}")
REFILL = 8.0

taken = []
refused = []
nonces = set()
bucket = 10_000
lock = threading.Lock()


class Refusal(Exception):
    def __init__(self, status, title, **headers):
        super().__init__(title)
        self.status, self.title, self.headers = status, title, headers


def authorize(request, body):
    given = request.headers.get("Authorization", "")
    fields = AUTHORIZATION.fullmatch(given)
    if not fields:
        raise Refusal(401, "no authorization")
    timestamp, nonce = fields[3], fields[4]
    signed = timegm(time.strptime(timestamp, "%Y%m%dT%H:%M:%S+0000"))
    if abs(time.time() - signed) > 30:
        raise Refusal(401, "Invalid timestamp")
    url = f"http://{request.headers['Host']}{request.path}"
    again = requests.Request(request.command, url, data=body).prepare()
    expected = EdgeGridAuthHeaders(**TOKENS).make_auth_header(again, timestamp, nonce)
    if given != expected:
        raise Refusal(401, "The signature does not match")
    if nonce in nonces:
        raise Refusal(401, "a nonce twice")
    nonces.add(nonce)


def purge(request, body):
    global bucket
    if request.command != "POST":
        raise Refusal(405, "Method not allowed")
    path = PATH.fullmatch(request.path)
    if not path:
        raise Refusal(404, "Not found")
    authorize(request, body)
    if request.headers.get("Content-Type") != "application/json":
        raise Refusal(415, "Unsupported media type")
    if len(body) > 50_000:
        raise Refusal(413, "Request entity too large")
    try:
        objects = json.loads(body)["objects"]
    except (ValueError, KeyError, TypeError):
        raise Refusal(400, "Bad request")
    valid = {
        "url": lambda url: isinstance(url, str) and re.fullmatch(r"https?://[!-~]+", url) and not set(url) & set('"<>\\^`{|}'),
        "tag": lambda tag: isinstance(tag, str) and TAG.fullmatch(tag),
        "cpcode": lambda code: isinstance(code, int),
    }[path[2]]
    if not objects or not all(map(valid, objects)):
        raise Refusal(400, "Bad request")
    if len(objects) > bucket:
        left = {"X-Ratelimit-Remaining-Objects": bucket, "X-Ratelimit-Limit-Per-Second-Objects": REFILL}
        raise Refusal(429, "URL Rate Limit exceeded", **left)
    bucket -= len(objects)
    taken.append({"path": request.path, "objects": objects, "bytes": len(body)})


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {}
        try:
            with lock:
                purge(self, body)
            status, reply = 201, {"httpStatus": 201, "detail": "Request accepted", "estimatedSeconds": 5}
            reply |= {"purgeId": "edcp-test", "supportId": "edcp-test"}
        except Refusal as refusal:
            refused.append(refusal.title)
            status, headers = refusal.status, refusal.headers
            reply = {"httpStatus": status, "title": refusal.title, "supportId": "edcp-test"}
        text = json.dumps(reply).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", len(text))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_PUT = do_DELETE = answer

    def log_message(self, *_):
        pass


def main():
    global bucket
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"http://127.0.0.1:{server.server_port}")
    for line in sys.stdin:
        with lock:
            match line.split():
                case ["read"]:
                    answer = taken
                case ["refused"]:
                    answer = refused
                case ["bucket", left]:
                    bucket = answer = int(left)
            print(json.dumps(answer))


main()
