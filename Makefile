# kernel_and_user_map: `make help` lists the targets. V=1 shows what cargo runs.

RELEASE := $(or $(CARGO_TARGET_DIR),target)/release
# The profile of what is packed; the tests take release, which is there.
DIST_PROFILE ?= dist
DIST := $(or $(CARGO_TARGET_DIR),target)/$(DIST_PROFILE)
PROGRAM := $(RELEASE)/kernel_and_user_map
# The manual page and the shells' completions.
PAGES := $(RELEASE)/pages
CARGO_FLAGS := $(if $(V),--verbose)
# Options for `make run`, as in: make run ARGS="--period 0.5 -o json"
ARGS ?=
# Kernels for `make test-kernels`, as in: make test-kernels KERNELS="5.10 7.x"
KERNELS ?=
# Where `make install` puts it, below DESTDIR.
PREFIX ?= /usr/local

# libbpf is built by a make of its own, which must not take these for its own.
unexport MAKEFLAGS MFLAGS DESTDIR PREFIX ARGS V DIST_PROFILE
# Where rustup has put cargo, for a shell that was there before it.
export PATH := $(PATH):$(or $(CARGO_HOME),$(HOME)/.cargo)/bin

# What `make lint` looks at.
RUST_SOURCES := $(wildcard src tests benches examples packaging build build.rs)
C_SOURCES = $(shell find $(filter-out benches build build.rs,$(RUST_SOURCES)) vmlinux -name '*.[ch]')
ACTOR := $(wildcard tests/actor.c tests/actor/*.c)
SHELL_SCRIPTS = $(shell grep -rlE --exclude='*.rs' '^\#!.*sh$$' $(wildcard scripts tests examples packaging fleet) .ci .cargo)

.PHONY: all
all: packages ## Install what is missing to build (it says how), then build (the default)
	cargo build --release --locked $(CARGO_FLAGS)

.PHONY: packages
packages:
	@scripts/install-packages

.PHONY: run
run: all ## Build the program and run it as root, with the options in ARGS
	.cargo/as-root $(PROGRAM) $(ARGS)

.PHONY: pages
pages: packages ## Write the manual page and the completions from the definition of the options
	cargo build --release --locked $(CARGO_FLAGS) --package write-pages
	$(RELEASE)/write-pages $(PAGES)

.PHONY: install
install: all pages ## Install the program, its pages and its service below PREFIX (as root, where it must be)
	PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' packaging/install $(PROGRAM) $(PAGES)

.PHONY: uninstall
uninstall: ## Take away what `make install` with the same PREFIX has installed
	PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' packaging/install --remove $(PROGRAM) $(PAGES)

.PHONY: dist
dist: pages ## Build the program for packages and archives: fat LTO makes it smaller, and the build slower
	cargo build --profile $(DIST_PROFILE) --locked $(CARGO_FLAGS)
	$(RELEASE)/write-pages $(DIST)/pages

.PHONY: deb
deb: dist ## Make a package for Debian and its relatives, in target/debian/
	PATH="$$(packaging/install-tools):$$PATH" cargo deb --profile $(DIST_PROFILE) --no-build --locked $(CARGO_FLAGS)

.PHONY: rpm
rpm: dist ## Make a package for Fedora and its relatives, in target/generate-rpm/
	PATH="$$(packaging/install-tools):$$PATH" cargo generate-rpm --profile $(DIST_PROFILE)

# The tests are built without optimizing, which takes a third of the time, and look at the release program.
BUILT = KERNEL_AND_USER_MAP='$(abspath $(PROGRAM))'
TEST = $(BUILT) cargo test --locked $(CARGO_FLAGS)

.PHONY: test
test: all ## Run the unit tests and the tests on the running kernel (as root)
	@scripts/install-packages test
	$(TEST) --no-fail-fast

.PHONY: test-unit
test-unit: packages ## Run the tests that load no BPF program; no root needed
	cargo test --locked $(CARGO_FLAGS) --lib --bins --test bad_input --test properties

.PHONY: test-soak
test-soak: PROGRAM = $(DIST)/kernel_and_user_map
test-soak: dist ## Run the tests that have a long form in that form, on what packages hold (as root, 15 minutes)
	@scripts/install-packages test
	SOAK=1 $(TEST) --no-fail-fast --test kernel --test program --test builds --test packaging -- \
		--nocapture --test-threads=1 \
		soak:: memory:: edges::a_watch_in_the_middle storms::a_storm_is_read storms::its_memory \
		strace_and_the_program deb:: rpm::

.PHONY: test-kernels
test-kernels: all ## Run the kernel tests on Linux 5.10, 6.1, 6.12 and 7.x in QEMU, and on 64-bit Arm
	@scripts/install-packages test
	tests/kernels/run $(KERNELS)

.PHONY: test-all
test-all: ## Do what .ci/run does, and run test-soak, test-fleet and every kernel (as root, an hour)
	.ci/run --all

.PHONY: test-fleet
test-fleet: all ## Test fleet/ with syslog-ng and ClickHouse, and 600,000 processes (as root, some minutes)
	@scripts/install-packages fleet
	.cargo/as-root tests/fleet/run

.PHONY: bench
bench: all ## Compare with other tools (as root, a quarter of an hour), and write docs/benchmarks.md
	@scripts/install-packages test
	@scripts/install-bench-peers
	cargo build --profile dist --locked $(CARGO_FLAGS) --package lesson
	cargo bench --profile dist --locked $(CARGO_FLAGS) --bench pipeline
	cargo bench --profile dist --locked $(CARGO_FLAGS) --bench compare

.PHONY: bench-short
bench-short: all ## Print what an event costs; fail if counts that are no times have grown
	@scripts/install-packages test
	$(BUILT) cargo bench --profile dev --locked $(CARGO_FLAGS) --bench compare -- --short

.PHONY: build-times
build-times: packages ## Print how long builds take on this machine (some minutes)
	@scripts/build-times

.PHONY: docs
docs: all ## Write docs/options.md and docs/build.svg from real runs (as root, half a minute)
	.cargo/as-root scripts/options-by-example $(PROGRAM) >target/options.md
	mv target/options.md docs/options.md
	.cargo/as-root scripts/build-by-example $(PROGRAM)

.PHONY: fmt
fmt: ## Format the Rust code
	cargo fmt --all

.PHONY: lint
lint: ## Check formatting, lints, shell scripts and the layout; warnings are errors
	@scripts/install-packages lint
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- --deny warnings
	@# Clippy knows what the standard library had in Rust 1.85, but not that let chains came later.
	@! grep -rPzl --include='*.rs' '\b(if|while) let [^;{}]*?&&\s|&& let ' $(RUST_SOURCES) || \
		{ echo "lint: these files have let chains, which Rust 1.85 has not" >&2; exit 1; }
	clang-format --dry-run --Werror $(C_SOURCES)
	$(CC) -Wall -Wextra -Werror -fsyntax-only $(ACTOR)
	shellcheck $(SHELL_SCRIPTS)
	scripts/check-layout
	scripts/check-docs

.PHONY: clean
clean: ## Remove everything that was built
	cargo clean

.PHONY: help
help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 16
