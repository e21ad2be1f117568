# What people type. CMake and its presets do the work; tools/setup.sh installs what Debian has and this machine lacks.
JOBS ?= $(shell nproc)
PREFIX ?= /usr/local
FUZZ_SECONDS ?= 60
SUITE ?= trixie
export PROMPT ?=

configure_and_build = cmake --preset $(1) && cmake --build --preset $(1) --parallel $(JOBS)

.DEFAULT_GOAL := help
.PHONY: help run build node test test-node-versions test-debian13 check kills asan asan-quick tsan fuzz tidy format coverage bench install deb test-deb clean

help: ## Show this
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' Makefile

run: ## Build the command and let its model answer (PROMPT: a package's name, instead of some)
	@tools/setup.sh build
	@tools/one_line.sh configuring cmake --preset release
	@tools/one_line.sh building cmake --build --preset release --parallel $(JOBS) --target dstorch_cli
	@tools/tour.sh build/release/dstorch "$$PROMPT"

build: ## Install what is missing and build
	@tools/setup.sh build
	$(call configure_and_build,release)

node: ## Build the Node package: require('<here>/bindings/node') works then
	@tools/setup.sh build
	@tools/node_modules.sh --omit=dev
	cmake --preset release -DDSTORCH_BUILD_NODE=ON
	cmake --build --preset release --parallel $(JOBS) --target dstorch_node

check: ## Look for includes that point up and for unformatted files
	@tools/setup.sh format
	tools/check_layers.sh
	tools/format.sh --check

test: check ## Run every test
	@tools/setup.sh build test
	@tools/node_modules.sh
	cmake --preset test -DDSTORCH_BUILD_NODE=ON && cmake --build --preset test --parallel $(JOBS)
	ctest --preset test --parallel $(JOBS)

test-node-versions: ## Run the Node package's tests in the oldest Node (Debian 12's 18) and in the newest (npm's)
	@tools/setup.sh build test
	@tools/node_modules.sh
	cmake --preset test -DDSTORCH_BUILD_NODE=ON
	cmake --build --preset test --parallel $(JOBS) --target dstorch_node dstorch_node_tests
	tools/node_versions.sh

test-debian13: ## Run every test in a fresh Debian 13 beside this system (as root; some gigabytes)
	@tools/setup.sh systems
	tools/test_in_debian.sh trixie

kills: ## Kill training a hundred times at random moments; it must go on to the same end
	@tools/setup.sh build test
	$(call configure_and_build,test)
	DSTORCH_KILLS=100 ctest --preset test --tests-regex '^cli/KilledTraining'

asan: ## Run every test under the address and undefined-behaviour sanitizers
	@tools/setup.sh build test
	$(call configure_and_build,asan)
	ctest --preset asan --parallel $(JOBS)

asan-quick: ## The same for the folders that read files, the kernels and the engine
	@tools/setup.sh build test
	$(call configure_and_build,asan) --target test_core test_text test_io test_kernels test_nn test_engine
	ctest --preset asan --parallel $(JOBS) --tests-regex '^(core|text|io|kernels|nn|engine)/'

tsan: ## Run the tests of the kernels' threads and of the engine under the thread sanitizer
	@tools/setup.sh build test
	$(call configure_and_build,tsan) --target test_kernels test_nn test_engine
	ctest --preset tsan --parallel $(JOBS) --tests-regex '^(kernels/ThreadPool|nn/|engine/)'

fuzz: ## Run each fuzz target for FUZZ_SECONDS
	@tools/setup.sh build clang
	$(call configure_and_build,fuzz) --target fuzzers
	tools/fuzz.sh build/fuzz $(FUZZ_SECONDS) $(JOBS)

tidy: ## Run clang-tidy over src, include and apps
	@tools/setup.sh build clang
	tools/tidy.sh $(TIDY) $(JOBS)

format: ## Format every C++ file
	@tools/setup.sh format
	tools/format.sh

coverage: ## Print the line coverage of src; fail under 90 %
	@tools/setup.sh build test coverage
	$(call configure_and_build,coverage)
	tools/coverage.sh build/coverage $(JOBS)

bench: ## Build and run the benchmarks
	@tools/setup.sh build bench
	$(call configure_and_build,bench)
	set -e; for program in build/bench/bench/bench_*; do $$program; done

install: build ## Install the package and the command under PREFIX
	cmake --install build/release --prefix $(PREFIX)

deb: ## Build build/deb/dstorch_*.deb: the command, the library and the headers, for this system
	@tools/setup.sh build package
	$(call configure_and_build,deb) --target all package

test-deb: ## Build the .deb in a fresh Debian (SUITE, trixie), install and use it in another (as root)
	@tools/setup.sh systems
	tools/test_deb.sh $(SUITE)

clean: ## Remove everything that was built
	rm -rf build bindings/node/build bindings/node/node_modules
