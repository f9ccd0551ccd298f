# What to do with this checkout; `make help` lists it. Everything goes into one
# virtual environment, made on first use and brought up to date when setup.cfg changes.

PYTHON ?= python3
VENV ?= .venv
CAMD_CONFIG ?= camd.yaml
# More words for pytest and for the benchmark: make test ARGS="-k viewer"
ARGS ?=

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

.DEFAULT_GOAL := help
# Two installs at once into one environment would spoil it.
.NOTPARALLEL:
.PHONY: help run test e2e e2e-cameras lint types dist bench soak fleet clean

help: ## list these targets
	@sed -n 's/^\([a-z0-9-]*\):.*## /make \1|/p' $(MAKEFILE_LIST) | \
	    while IFS='|' read -r target text; do printf '%-17s %s\n' "$$target" "$$text"; done
	@echo
	@echo "PYTHON=$(PYTHON)  VENV=$(VENV)  CAMD_CONFIG=$(CAMD_CONFIG)"
	@echo "As root on Debian, system packages that are missing are installed; APT= forbids it."

run: $(VENV)/.run ## install camd and start it in the foreground (CAMD_CONFIG=camd.yaml)
	@.ci/needs cv2 $(BIN)/python
	@exec $(BIN)/twistd -n --pidfile= camd -c $(CAMD_CONFIG)

test: $(VENV)/.test ## install and run the tests, in parallel
	@.ci/needs cv2 $(BIN)/python
	$(BIN)/python -m pytest -n auto $(ARGS)

# Debian keeps servers where root alone looks for commands.
e2e: export PATH := $(PATH):/usr/sbin
e2e: $(VENV)/.test $(VENV)/.e2e ## a real daemon, a real video, a real browser
	@.ci/needs cv2 $(BIN)/python
	@.ci/needs commands nginx haproxy caddy apache2=apache2-bin varnishd=varnish
	@.ci/needs commands curl mpv node=nodejs vlc=vlc-bin,vlc-plugin-base \
	    gst-launch-1.0=gstreamer1.0-tools,gstreamer1.0-plugins-base,gstreamer1.0-plugins-good
	@.ci/needs commands systemd-analyze=systemd man=man-db
	@.ci/needs commands firefox-esr WebKitWebDriver=webkit2gtk-driver Xvfb=xvfb
	@.ci/needs commands certutil=libnss3-tools redis-server ip=iproute2
	@.ci/needs commands chromium chromedriver=chromium-driver ffmpeg prometheus motion openssl
	@.ci/needs rtsp
	# Four files at a time, as most of them wait for something most of the time; then what
	# is timed, by itself. Status 5: ARGS picked none of these, as one of the two may.
	@$(BIN)/python -m pytest e2e -m "not alone" -n 4 --dist loadfile $(ARGS); first=$$?; \
	    $(BIN)/python -m pytest e2e -m alone $(ARGS); second=$$?; \
	    case $$first$$second in 00 | 05 | 50) ;; *) exit 1 ;; esac

e2e-cameras: $(VENV)/.test ## the kernel's camera drivers, in a guest that vcam starts
	@.ci/needs cv2 $(BIN)/python
	@.ci/needs commands ustreamer v4l2-ctl=v4l-utils
	$(BIN)/python -m e2e_cameras $(ARGS)

lint: $(VENV)/.lint ## ruff: rules and format; Dockerfile, compose and Kubernetes' files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@! test -x $(BIN)/hadolint || $(BIN)/hadolint deploy/Dockerfile
	@$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec deploy/compose*.yaml
	@$(BIN)/kubernetes-validate -k 1.32 --strict --quiet \
	    $(filter-out %/kustomization.yaml %/camd.yaml %/prometheus-adapter.yaml, \
	    $(wildcard deploy/k8s/*.yaml))

types: $(VENV)/.lint ## mypy, strict
	$(BIN)/mypy

dist: $(VENV)/.lint ## build the sdist and the wheel, check both, and install them
	@.ci/needs cv2 $(BIN)/python
	rm -rf dist
	$(BIN)/python -m build --outdir dist .
	$(BIN)/twine check --strict dist/*
	$(BIN)/check-wheel-contents dist/*.whl
	@for package in dist/*; do \
	    echo "camd: installing $$package into an environment of its own"; \
	    $(BIN)/python -m venv --clear build/environment && \
	    build/environment/bin/python -m pip -q --disable-pip-version-check install $$package && \
	    build/environment/bin/camd --version && \
	    build/environment/bin/twistd camd --version || exit 1; \
	done

bench: $(VENV)/.run ## measure the daemon beside a C floor (ARGS=--quick)
	@.ci/needs cv2 $(BIN)/python
	@.ci/needs commands cc=gcc,libc6-dev ip=iproute2
	$(BIN)/python -m bench.run $(ARGS)

soak: $(VENV)/.test $(VENV)/.e2e ## 10 minutes of trouble: does it stay flat (ARGS="--minutes 2")
	@.ci/needs cv2 $(BIN)/python
	@.ci/needs commands openssl
	$(BIN)/python -m soak $(ARGS)

fleet: export PATH := $(PATH):/usr/sbin
fleet: $(VENV)/.test ## origins, Redis, edges, 300 viewers and trouble (ARGS="--times 1")
	@.ci/needs cv2 $(BIN)/python
	@.ci/needs commands redis-server haproxy curl ip=iproute2
	$(BIN)/python -m fleet $(ARGS)

clean: ## remove the environment and everything that was built
	rm -rf $(VENV) build dist *.egg-info .hypothesis .mypy_cache .pytest_cache \
	    .ruff_cache bench/build e2e/.cache twisted/plugins/dropin.cache
	find . -name __pycache__ -prune -exec rm -rf {} +

# The stamps: .run is camd alone, .test, .e2e and .lint add the extra of that name.
$(BIN)/pip:
	@.ci/needs venv $(PYTHON)
	@echo "camd: making $(VENV)"
	@$(PYTHON) -m venv --clear $(VENV)

$(VENV)/.run: setup.cfg pyproject.toml | $(BIN)/pip
	@echo "camd: installing into $(VENV); the first time takes a minute"
	@$(PIP) install -q -e .
	@touch $@

$(VENV)/.test $(VENV)/.e2e $(VENV)/.lint: $(VENV)/.%: setup.cfg pyproject.toml | $(BIN)/pip
	@echo "camd: installing into $(VENV), with what $* needs"
	@$(PIP) install -q -e '.[$*]'
	@touch $@
