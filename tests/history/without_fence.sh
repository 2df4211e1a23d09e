#!/bin/sh
# Whether the search of histories finds anything at all: builds Larder from a copy of this tree in which a fill takes its
# fence when the origin has answered, not before it is asked, and runs the search against that. Succeeds if it finds replies
# that a purge had reached.
#
#   tests/history/without_fence.sh          from the root of the tree; needs git, for its patches
#   LARDER_HISTORY_SECONDS=60 …             for longer
set -eu

cargo=${CARGO:-cargo}
target=${CARGO_TARGET_DIR:-$PWD/target}
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT INT TERM

mkdir "$copy/tree"
tar -c --exclude=./target --exclude=./.git . | tar -x -C "$copy/tree"
(cd "$copy/tree" && git apply tests/history/without_fence.patch)
(cd "$copy/tree" && CARGO_TARGET_DIR=$target $cargo build --locked)
cp "$target/debug/larder" "$copy/larder"

LARDER_HISTORY_SECONDS=${LARDER_HISTORY_SECONDS:-20} LARDER_BINARY=$copy/larder \
    $cargo test --locked --test history -- --nocapture no_purged_reply_comes_back_with_one_redis \
    >"$copy/said" 2>&1 && found=nothing || found=something
grep -E 'seed|stale on|stale after|older than' "$copy/said" | cut -c1-300 || true
if [ "$found" = nothing ] || ! grep -q 'stale on the node that purged' "$copy/said"; then
    tail -50 "$copy/said"
    echo "without its fence nothing is found: the search is blind" >&2
    exit 1
fi
echo "without its fence Larder is found out: the search works"
