# luatnetd: "make demo" shows it, "make test" checks it.
# The same commands run on a developer's machine and in CI (.ci/run).

GO      ?= go
# go.mod names the toolchain whose standard library has no known vulnerability;
# some distributions pin "local".
export GOTOOLCHAIN := auto
TOOL    := $(GO) tool -modfile=internal/tools/go.mod
TAGS    := nethttpomithttp2
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)
BUILD   := CGO_ENABLED=0 $(GO) build -trimpath -tags $(TAGS) -ldflags '$(LDFLAGS)'
VULNDB  := golang.org/x/vulndb@v0.0.0-20261105234957-e22db6528018
# Packages whose tests need namespaces of their own or take long have a target.
NETNS   := ./test/netns/...
UNIT    := $(shell $(GO) list ./... 2>/dev/null | grep -v -e /test/netns -e /test/openwrt)

.PHONY: all build test peers check unit netns demo story bench bench-quick chaos sim debian openwrt vm test-vm soak size packages fuzz docs clean

all: build

build: ## the daemon and the laboratory
	$(BUILD) -o bin/luatnetd ./cmd/luatnetd
	$(BUILD) -o bin/luatnet-lab ./cmd/luatnet-lab

## test: everything that CI runs
test: peers check unit netns debian openwrt story chaos vm
	@$(MAKE) --no-print-directory size TARGETS="amd64 arm64 mipsle"
	@echo "make test: all passed$$(cat bin/not-run 2>/dev/null)"

peers: ## foreign programs that the tests talk to
	@mkdir -p bin && ./test/peers.sh > bin/not-run

check: ## formatting, vet, staticcheck, known vulnerabilities
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo "gofmt would change:"; gofmt -l $$(git ls-files '*.go'); exit 1; }
	$(GO) vet ./...
	$(TOOL) staticcheck ./...
	@$(GO) mod download $(VULNDB)
	$(TOOL) govulncheck -db "file://$$($(GO) env GOMODCACHE)/$(VULNDB)/data/osv" ./...

unit: ## unit, race and simulation tests
	$(GO) test -race -timeout 6m $(UNIT)
	$(GO) test -timeout 2m -tags luatnetd_dtls -run DTLS ./client/sock

netns: build ## the real kernel, real packets and real clients
	$(GO) test -timeout 12m -count=1 $(NETNS)

debian: ## the .deb under systemd, from installation to purge, in a throw-away container
	./test/vm/debian/run.sh $(VERSION)

openwrt: ## the .ipk and the .apk: what is in them, and their scripts under busybox
	$(GO) test -count=1 -timeout 5m ./test/openwrt

demo: build ## the story of a gateway, live: make demo ARGS=--script runs it unattended, ARGS=client is about long connections
	bin/luatnet-lab $(ARGS)

story: build ## the stories of the demo, unattended: every step must hold
	bin/luatnet-lab --script
	bin/luatnet-lab client --script

bench: build ## every figure, whole: make bench RUN=name for one
	$(GO) run ./test/bench $(if $(RUN),-run $(RUN))

bench-quick: build ## every figure with a small n
	$(GO) run ./test/bench -quick $(if $(RUN),-run $(RUN))

chaos: build ## servers and daemon killed, uplinks switched, five times each: what was accepted must be read
	$(GO) test -timeout 2m ./test/bench
	$(GO) run ./test/bench -quick -run '^chaos$$' -results ''

sim: ## days of random faults against the oracle
	$(GO) test -run Sim -timeout 60m ./internal/simnet -sim.seeds 200 -sim.days 7
	$(GO) test -run '^TestSimulation$$' -timeout 60m ./modem -modem.days=5000
	$(GO) test -run '^TestMutations$$' -timeout 60m ./modem -modem.mutations
	$(GO) test -run '^(TestSimulation|TestHealthyDay|TestCrash.*)$$' -timeout 60m ./modem/drive -drive.days=120

# mips code is larger, and all of it is compiled without inlining already: see docs/adr/0010.
SIZE_LIMIT      := 12582912
SIZE_LIMIT_MIPS := 13631488
TARGETS    ?= amd64 arm64 mipsle arm riscv64
size: ## the stripped binary stays below 12 MiB on every target, 13 MiB on mips
	@for t in $(TARGETS); do \
	  packaging/compile.sh $$t bin/luatnetd-$$t $(VERSION) || exit 1; \
	  n=$$(stat -c %s bin/luatnetd-$$t); echo "$$t $$n bytes"; \
	  case $$t in mips*) limit=$(SIZE_LIMIT_MIPS);; *) limit=$(SIZE_LIMIT);; esac; \
	  [ $$n -le $$limit ] || { echo "$$t is over $$limit bytes"; exit 1; }; \
	done

packages: ## .deb (amd64, arm64), .ipk and .apk (mipsel_24kc, aarch64_cortex-a53) in dist/
	./packaging/build.sh $(VERSION)

docs: ## what is generated from the sources
	$(GO) generate ./...

test-vm: build ## USB modems in a VM: real drivers, pppd, the whole daemon, a LAN client behind it
	LUATNETD=bin/luatnetd test/vm/modem.sh

vm: build ## what needs kernels of its own, in VMs: the queue on real flash, the hardware watchdog; USB modems: make test-vm
	@touch bin/not-run; sed -i '/and the hardware watchdog/d' bin/not-run; test/vm/check.sh bin/luatnetd > bin/vm.log; rc=$$?; cat bin/vm.log; case $$rc in \
	  0)  echo "make vm: all passed";; \
	  77) sed -n 's/^not run: /; not run: /p' bin/vm.log >> bin/not-run;; \
	  *)  exit $$rc;; esac

## soak: what takes hours: crash states and flipped bits of the queue with a seed
## of the day, power cuts on real flash, an hour offline in real time, every
## parser that a client's data or configuration reaches
SOAK_STATES  ?= 1000000
SOAK_FLIPS   ?= 100000
SOAK_CUTS    ?= 100
SOAK_OFFLINE ?= 1h
SOAK_FUZZ    ?= 10m
SOAK_SEED    ?= $(shell date +%Y%m%d)
soak:
	$(GO) test -count=1 -timeout 4h -v -run '^(TestPowerCut|TestBitFlip)$$' ./client/queue -queue.states $(SOAK_STATES) -queue.flips $(SOAK_FLIPS) -queue.seed $(SOAK_SEED)
	CUTS=$(SOAK_CUTS) test/vm/flash.sh $(SOAK_SEED)
	$(GO) test -count=1 -timeout 4h -v -run '^TestLC04RealHour$$' ./client/queue -queue.offline $(SOAK_OFFLINE)
	@$(MAKE) --no-print-directory fuzz FUZZTIME=$(SOAK_FUZZ) FUZZIN="client internal/config internal/serial internal/store"

fuzz: ## every fuzz target for FUZZTIME
	@for p in $$(grep -rl '^func Fuzz' --include=*_test.go $(or $(FUZZIN),.) | sed 's|^|./|' | xargs -n1 dirname | sort -u); do \
	  for f in $$(grep -ho '^func Fuzz[A-Za-z0-9_]*' $$p/*_test.go | sed 's/^func //'); do \
	    $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(or $(FUZZTIME),10s) $$p || exit 1; \
	  done; \
	done

clean:
	rm -rf bin dist
