# One list of commands for laptop and CI; `make help` prints it.

CARGO ?= cargo
# Seeds of the simulator: `make test` runs the tests' own fixed share, `make soak` this many.
SEEDS ?= 100000
# How long `make history` makes faults, and which ones: each run has another seed unless it is given one.
MINUTES ?= 10
SEED ?= $(shell date +%s)

export CARGO_TERM_COLOR ?= auto

.DEFAULT_GOAL := help
.PHONY: help demo test lint bench soak history history-proof shows tools-build tools-lint tools-test tools-bench

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: tools-build ## a shop with a slow database, and Larder in front of it
	$(CARGO) run --locked --release -- demo

test: lint tools-test ## every check and every test
	$(CARGO) test --locked
	$(CARGO) test --locked --no-default-features --lib cdn

lint: tools-lint ## formatting, lints and documentation, warnings refused
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	$(CARGO) clippy --locked --all-targets --no-default-features -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps

bench: tools-bench ## micro-benchmarks, then Larder beside its peers under load
	$(CARGO) bench --locked
	$(CARGO) build --locked --release
	python3 benches/peers/compare.py target/release/larder

soak: tools-build ## SEEDS=100000 interleavings of the simulator
	LARDER_SEEDS=0..$(SEEDS) $(CARGO) test --locked --release --test simulator -- --nocapture

history: tools-test ## MINUTES=10 of faults at fleets of processes, and the search for a stale reply
	LARDER_HISTORY_SECONDS=$$(($(MINUTES) * 60)) LARDER_HISTORY_SEED=$(SEED) $(CARGO) test --locked --release --test history -- --nocapture --test-threads 1 no_purged_reply

shows: tools-test ## figures under load: a thousand purges a second, Redis killed, a node started fresh
	LARDER_SHOWS=full $(CARGO) test --locked --release --test history -- --nocapture --test-threads 1 shows

history-proof: tools-test ## that the search finds something where there is something: a Larder without its fence
	CARGO="$(CARGO)" tests/history/without_fence.sh

# What each of them needs beyond Rust: a command, and the package that brings it.

tools-build:
	@scripts/need cmake=cmake cc=gcc make=make

tools-lint: tools-build
	@scripts/need --rust rustfmt clippy

tools-test: tools-build
	@scripts/need python3=python3 redis-server=redis-server redis-cli=redis-tools varnishd=varnish
	@scripts/need-python target/venv tests/cdn/requirements.txt

tools-bench: tools-build
	@scripts/need wrk=wrk python3=python3 taskset=util-linux redis-server=redis-server \
		nginx=nginx-core memcached=memcached haproxy=haproxy varnishd=varnish
