# Thin over CMake: everything below works with cmake and ctest alone, too.

BUILD   ?= build
prefix  ?= /usr/local
DESTDIR ?=
RUNS    ?= 500
VERSIONS ?= 24.11 26.05
# Which tests `make asan-e2e` runs against an agent with sanitizers, for ctest -R.
E2E_TESTS ?= ^(slurm|hosts|openbao)/
unit_tests = unit_tests task_tests server_tests

.PHONY: all help setup setup-demo setup-nextflow build tests demo demo-nextflow demo-cluster check check-versions asan asan-e2e tsan coverage fuzz lint bench hunt soak install uninstall dist deb rpm clean

all: build

help:
	@echo "make            build the product into $(BUILD)/"
	@echo "make tests      build the tests, too, without building the product again"
	@echo "make setup      install what a Debian machine lacks to build and test (root)"
	@echo "make demo       show the main job on a throwaway Slurm cluster (root)"
	@echo "make demo-nextflow  the same with a pipeline, for which it fetches a JDK and Nextflow (root)"
	@echo "make demo-cluster  the same with a hub and two nodes, each a host of its own (root)"
	@echo "make check      the whole test suite, on a real Slurm cluster (root); MEMORY=memfd: as on a kernel without memfd_secret"
	@echo "make check-versions  the core of the tests on Slurm $(VERSIONS), each in a tree of Debian that has it (root)"
	@echo "make asan       the unit tests and fuzz inputs under AddressSanitizer and UBSan"
	@echo "make asan-e2e   the tests on real Slurm, hosts and OpenBao against an agent with ASan and UBSan (root);"
	@echo "                E2E_TESTS='^slurm/(spec|push)$$' for some of them"
	@echo "make tsan       the unit tests and what has threads under ThreadSanitizer (the latter: root)"
	@echo "make coverage   which lines of agentd/, spank/ and common/ the tests run (with those on Slurm: root)"
	@echo "make fuzz       every fuzz target for SECONDS_EACH seconds (60), with clang"
	@echo "make lint       clang-format and clang-tidy"
	@echo "make bench      the benchmarks, as ratios (root)"
	@echo "make hunt       every file, process and packet is searched for values, in jobs of all kinds (root)"
	@echo "make soak       RUNS runs ($(RUNS)) on a real systemd, under restarts and kills: what is left? (root)"
	@echo "make install    into prefix=$(prefix), below DESTDIR=$(DESTDIR)"
	@echo "make uninstall  remove what make install put there; configuration and stored secrets stay"
	@echo "make deb        Debian packages of this tree, for the Slurm whose headers are installed, into dist/"
	@echo "make rpm        RPM packages of the same, into dist/"
	@echo "make dist       a release of the last commit, into dist/: tarball, list of libraries (SPDX), checksums"
	@echo "make clean      remove what was built"

setup:
	tests/setup

configure = cmake -S . -B $(BUILD) -G Ninja -DCMAKE_INSTALL_PREFIX=$(prefix) $(CMAKE_FLAGS)
# Only a new build directory is told to leave the tests out: in one that has them they stay.
product_only = $(if $(wildcard $(BUILD)/CMakeCache.txt),,-DBUILD_TESTING=OFF)

build:
	@$(configure) $(product_only) >/dev/null
	@cmake --build $(BUILD) --target product

tests:
	@$(configure) -DBUILD_TESTING=ON >/dev/null
	@cmake --build $(BUILD)

setup-demo:
	tests/setup --demo

demo: setup-demo build
	BUILD_DIR=$(BUILD) tests/demo/run

setup-nextflow:
	tests/setup --nextflow

# The demo shows a pipeline wherever it finds what that needs.
demo-nextflow: setup-nextflow build
	BUILD_DIR=$(BUILD) tests/demo/run

demo-cluster: setup-demo build
	BUILD_DIR=$(BUILD) tests/demo/run-cluster

# MEMORY=memfd: as on a kernel without memfd_secret, which has the second kind of memory.
check: setup tests
	$(if $(filter-out memfd,$(MEMORY)),$(error invalid MEMORY=$(MEMORY); expected memfd, or nothing))
	$(if $(filter memfd,$(MEMORY)),$(BUILD)/without_memfd_secret) ctest --test-dir $(BUILD) --output-on-failure --no-tests=error --parallel 4
	@grep -oh "NOT TESTED on .*: .*" $(BUILD)/Testing/Temporary/LastTest.log | sort -u

check-versions: setup tests
	BUILD_DIR=$(BUILD) CMAKE_FLAGS="$(CMAKE_FLAGS)" tests/versions/run $(VERSIONS)

asan:
	@cmake -S . -B $(BUILD)-asan -G Ninja -DSANITIZE=address -DCMAKE_BUILD_TYPE=Debug $(CMAKE_FLAGS) >/dev/null
	@cmake --build $(BUILD)-asan --target $(unit_tests) fuzz_targets
	ctest --test-dir $(BUILD)-asan --output-on-failure --no-tests=error --parallel 2 -R '^(unit|fuzz)/'

asan-e2e: setup
	@cmake -S . -B $(BUILD)-asan -G Ninja -DSANITIZE=address -DCMAKE_BUILD_TYPE=Debug $(CMAKE_FLAGS) >/dev/null
	@cmake --build $(BUILD)-asan --target product kv_driver faults namespace_plugin
	ctest --test-dir $(BUILD)-asan --output-on-failure --no-tests=error --parallel 3 -R '$(E2E_TESTS)'

# Threads: slurm-secrets-view asks Slurm on some, the agent encodes and decodes munge's credentials on one, and secretctl
# web waits for the agent on some.
with_threads = ^(slurm/view|hosts/hub_munge|web/access)$$
tsan:
	@cmake -S . -B $(BUILD)-tsan -G Ninja -DSANITIZE=thread -DCMAKE_BUILD_TYPE=Debug $(CMAKE_FLAGS) >/dev/null
	@cmake --build $(BUILD)-tsan --target $(unit_tests) product
	ctest --test-dir $(BUILD)-tsan --output-on-failure --no-tests=error --parallel 2 \
	  -R '^unit/$(if $(filter 0,$(shell id -u)),|$(with_threads))'

coverage:
	@cmake -S . -B $(BUILD)-coverage -G Ninja -DCOVERAGE=ON -DCMAKE_BUILD_TYPE=Debug $(CMAKE_FLAGS) >/dev/null
	@cmake --build $(BUILD)-coverage --target product $(unit_tests) zeroing_new_tests openssl_memory_tests faults namespace_plugin
	tests/coverage $(BUILD)-coverage

fuzz: clang = $(if $(shell command -v clang-16),clang-16,clang)
fuzz:
	tests/setup --fuzz
	@cmake -S . -B $(BUILD)-fuzz -G Ninja -DFUZZ=ON \
	  -DCMAKE_C_COMPILER=$(clang) -DCMAKE_CXX_COMPILER=$(subst clang,clang++,$(clang)) >/dev/null
	@cmake --build $(BUILD)-fuzz --target fuzz_targets
	tests/fuzz/run $(BUILD)-fuzz

lint:
	tests/lint $(BUILD)

bench: setup tests
	BUILD_DIR=$(BUILD) tests/bench/run
	BUILD_DIR=$(BUILD) tests/bench/restart
	BUILD_DIR=$(BUILD) tests/bench/crowded
	BUILD_DIR=$(BUILD) tests/bench/hub

hunt: setup tests
	BUILD_DIR=$(BUILD) HUNT=whole tests/hunt/alone /usr/bin/python3 -m pytest -q -p no:cacheprovider -rs tests/hunt

soak: setup tests
	BUILD_DIR=$(BUILD) RUNS=$(RUNS) tests/systemd/soak

install: build
	DESTDIR=$(DESTDIR) cmake --install $(BUILD)
	@packaging/next-steps $(prefix)

uninstall:
	@packaging/uninstall $(BUILD) $(DESTDIR)

# Both build in a folder of their own, what the tree has now.
deb:
	packaging/deb dist

rpm:
	packaging/rpm/build dist

dist: build
	packaging/dist $(BUILD) dist

clean:
	rm -rf dist build-deb build-rpm build-versions $(BUILD) $(BUILD)-asan $(BUILD)-tsan $(BUILD)-coverage $(BUILD)-fuzz
