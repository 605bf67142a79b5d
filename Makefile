# The commands of this project. `make` lists them.

CARGO ?= cargo
# An image to pull instead of the one that the demo makes.
IMAGE ?=

.PHONY: help demo demo-lazy test build plugins wit guests daemons fuzz check fmt bench doc clean

help: ## list these commands
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r name what; do \
		printf '  make %-9s %s\n' "$$name" "$$what"; done

demo: ## pull a Debian image into a private containerd and run it (IMAGE=docker.io/library/debian:12 for that one)
	@tests/demo/demo.sh $(IMAGE)

demo-lazy: ## pull the image in eStargz form into a private stargz snapshotter, and run it lazily (needs Go and FUSE)
	@tests/demo/demo.sh --lazy

test: ## install what tests need, build, and run all of them
	@tests/setup/test.sh

build: ## build the library and the program
	$(CARGO) build --workspace

plugins: ## rebuild the WebAssembly components in plugins/dist
	plugins/build.sh

wit: ## copy the packages of the plugin interface to where others depend on them
	set -e; for kind in snapshotter platform; do \
		rm -rf "wit/$$kind/deps"; mkdir "wit/$$kind/deps"; cp -R wit/types wit/host "wit/$$kind/deps/"; done

guests: ## build the plugins in other languages that tests need (Go, Node.js, Python)
	@tests/guests-in/build.sh

daemons: ## build the daemons that tests need beside Debian's: containerd versions, lazy snapshotters (needs Go)
	@tests/daemons/build.sh

fuzz: ## run every parser of foreign bytes on odd inputs, for FUZZ_SECONDS in all (60)
	@tests/fuzz/run.sh

check: ## formatting, lints, documentation, and whether plugins/dist fits its sources
	$(CARGO) fmt --all --check
	cd tests/fuzz && $(CARGO) fmt --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --quiet --workspace --no-deps
	cd plugins && $(CARGO) run --quiet --package pack -- --check
	@if command -v shellcheck >/dev/null; then shellcheck .ci/run $$(git ls-files '*.sh'); \
	else echo 'shellcheck is not installed: scripts are not checked'; fi
	@if $(CARGO) deny --version >/dev/null 2>&1; then $(CARGO) deny --offline check bans licenses sources; \
	else echo 'cargo-deny is not installed: licences are not checked'; fi

fmt: ## format all sources
	$(CARGO) fmt --all
	cd plugins && $(CARGO) fmt --all
	cd tests/fuzz && $(CARGO) fmt

bench: ## time and memory of a pull, against ctr on the same containerd
	$(CARGO) build --workspace --profile fast
	"$${CARGO_TARGET_DIR:-target}/fast/bench"

doc: ## build the documentation of the library
	$(CARGO) doc --workspace --no-deps

clean: ## remove everything that was built
	$(CARGO) clean
	cd plugins && $(CARGO) clean
