#!/bin/sh
# wrk.sh BINARY [SECONDS] [CONNECTIONS]
#
# Requests a second on a hit in memory of 1 KiB: the server on one core, wrk on another. Absolute figures move with the
# machine and the hour; compare figures of one run only.
set -eu

binary=${1:?usage: wrk.sh BINARY [SECONDS] [CONNECTIONS]}
seconds=${2:-10}
connections=${3:-64}

folder=$(mktemp -d)
processes=""
finish() {
    # shellcheck disable=SC2086 # a list of process ids
    [ -z "$processes" ] || kill $processes 2>/dev/null || true
    rm -rf "$folder"
}
trap finish EXIT
trap 'exit 1' INT TERM

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# The second core where there is one; everything shares the first otherwise, and the figure says little.
load_core=$(( $(nproc) > 1 ? 1 : 0 ))
[ "$load_core" -eq 1 ] || echo "wrk.sh: one core only; server and load share it" >&2

mkdir "$folder/files"
head -c 1024 /dev/zero | tr '\0' 'x' > "$folder/files/1k.txt"
origin=$(free_port)
python3 -m http.server "$origin" --bind 127.0.0.1 --directory "$folder/files" >/dev/null 2>&1 &
processes="$processes $!"

listen=$(free_port)
admin=$(free_port)
cat > "$folder/proxy.yaml" <<YAML
threads: 1
listen: [{ address: "127.0.0.1:$listen" }]
admin: { address: "127.0.0.1:$admin" }
origin: http://127.0.0.1:$origin
defaults: { cache: { ttl: 1h } }
YAML
LARDER_LOG=warn taskset -c 0 "$binary" run -c "$folder/proxy.yaml" >"$folder/larder.log" 2>&1 &
processes="$processes $!"

url=http://127.0.0.1:$listen/1k.txt
curl -sS --retry 50 --retry-connrefused --retry-delay 1 --retry-max-time 30 -o /dev/null "$url"
if ! curl -sS -D - -o /dev/null "$url" | grep -qi '^cache-status:.*larder; hit'; then
    echo "wrk.sh: the second request was no hit" >&2
    cat "$folder/larder.log" >&2
    exit 1
fi

taskset -c "$load_core" wrk -t1 -c"$connections" -d2s "$url" >/dev/null
taskset -c "$load_core" wrk -t1 -c"$connections" -d"${seconds}s" --latency "$url"
