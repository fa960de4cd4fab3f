# The two commands: `make demo` shows what earmark does, `make test` checks that it does. Both set up .venv themselves.
PYTHON ?= python3.11
BIN := .venv/bin
SONG ?=

.PHONY: help setup demo test test-matrix lint lint-page explorer docs man bench site site-assets teachers clean
.DEFAULT_GOAL := help

help: ## Say what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: .venv/.installed ## Set up .venv with all that development needs

.venv/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt torch==2.13.0
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[dev]"
	touch $@

demo: setup ## Render a small dataset, run the three steps, compare, tag a song: make demo SONG=song.mp3
	$(BIN)/python -m earmark evaluate recipes/demo.toml
	$(BIN)/python -m earmark train recipes/demo.toml
	song="$(SONG)"; [ -n "$$song" ] || song=$$(ls runs/rendered/audio/*.flac | head -n 1); \
	    $(BIN)/python -m earmark tag --model runs/demo/model --top 6 --over-time \
	    --picture runs/demo/tags-over-time.png "$$song"

lint: setup lint-page ## Check style and types, of the page's JavaScript too
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

SITE ?= runs/site
VENDOR := src/earmark/web/site/vendor

site: setup site-assets ## Write the page as a static site that needs no server: make site SITE=folder
	$(BIN)/python -m earmark site $(SITE)

site-assets: ## Fetch with npm what the static site has of others; the wheel includes it
	cd js && npm install --no-package-lock --no-audit --no-fund --silent
	mkdir -p $(VENDOR)/onnxruntime $(VENDOR)/mediabunny $(VENDOR)/fflate
	cp js/node_modules/onnxruntime-web/dist/ort.wasm.min.mjs \
	    js/node_modules/onnxruntime-web/dist/ort-wasm-simd-threaded.mjs \
	    js/node_modules/onnxruntime-web/dist/ort-wasm-simd-threaded.wasm $(VENDOR)/onnxruntime
	cp js/node_modules/mediabunny/dist/bundles/mediabunny.min.mjs $(VENDOR)/mediabunny/mediabunny.js
	cp js/node_modules/mediabunny/LICENSE $(VENDOR)/mediabunny
	cp js/node_modules/fflate/esm/browser.js $(VENDOR)/fflate/fflate.js
	cp js/node_modules/fflate/LICENSE $(VENDOR)/fflate

lint-page:
	@if ! command -v npm >/dev/null; then \
	    echo "npm is missing (packages nodejs and npm): the page's JavaScript is not checked"; \
	elif ! (cd tools/page && npm install --no-package-lock --no-audit --no-fund --silent) || \
	    ! $(MAKE) --silent site-assets; then \
	    echo "npm could not install tools/page/package.json or js/package.json: the page's JavaScript is not checked"; \
	else \
	    (cd tools/page && npm run --silent check) && (cd js && npm run --silent check); \
	fi

explorer: ## Fetch the viewer of the server's page /docs again, in the version that tools/explorer/package.json names
	cd tools/explorer && npm install --no-package-lock --no-audit --no-fund --silent --ignore-scripts && npm run --silent copy

# The matrix products of tests are small: a second thread only waits for the first. Processes share the files of tests.
test: lint ## Check style and types, then run the tests
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile

test-matrix: setup ## Install the wheel under every Python found, with the lowest and the newest versions, and use it
	$(BIN)/python tests/installed/matrix.py

docs: setup ## Write the reference from the code, and build the pages into runs/docs/html; a warning is an error
	$(BIN)/python docs/generate.py
	$(BIN)/python -m sphinx -W --keep-going -q -b html -d runs/docs/made docs runs/docs/html

man: setup ## Write a manual page for each command into runs/man: man runs/man/earmark-tag.1
	$(BIN)/python docs/generate.py
	$(BIN)/python -m sphinx -W --keep-going -q -b man -d runs/docs/made docs runs/man

# musicnn runs on an old TensorFlow with an old numpy: an environment of its own, without its own wishes for versions.
.venv-peers/musicnn/.installed:
	$(PYTHON) -m venv .venv-peers/musicnn
	.venv-peers/musicnn/bin/python -m pip install --quiet --disable-pip-version-check \
	    "tensorflow-cpu==2.15.*" "numpy<2" "librosa<0.11" "setuptools<80"
	.venv-peers/musicnn/bin/python -m pip install --quiet --disable-pip-version-check --no-deps musicnn==0.1.0
	.venv-peers/musicnn/bin/python -m pip install --quiet --disable-pip-version-check "numpy<2" --editable .
	touch $@

.venv-peers/essentia/.installed:
	$(PYTHON) -m venv .venv-peers/essentia
	.venv-peers/essentia/bin/python -m pip install --quiet --disable-pip-version-check essentia-tensorflow
	touch $@

bench-peers: setup .venv-peers/musicnn/.installed .venv-peers/essentia/.installed ## Set up musicnn in an environment of its own; its vectors and tags of the real music, and of copies
	.venv-peers/musicnn/bin/python -W ignore benchmarks/peers/musicnn_freeze.py runs/peers/musicnn-mtat.pb
	$(BIN)/python benchmarks/peers/copies.py ../shared/data runs/copies 3
	for model in MSD MTT; do \
	    .venv-peers/musicnn/bin/python -W ignore benchmarks/peers/musicnn_vectors.py $${model}_musicnn \
	        runs/peers/$$(echo $$model | tr MDST mdst | sed s/mtt/mtat/) ../shared/data/emotify/audio \
	        ../shared/data/free/audio runs/copies || exit 1; \
	done

# YAMNet runs in a small separate environment.
.venv-peers/litert/.installed:
	$(PYTHON) -m venv .venv-peers/litert
	.venv-peers/litert/bin/python -m pip install --quiet --disable-pip-version-check ai-edge-litert --editable .
	touch $@

MUSIC ?= ../shared/data/emotify/audio ../shared/data/free/audio
TORCH_TEACHERS := mtat-musicnn jamendo-fcn jamendo-crnn jamendo-musicnn jamendo-moods mtat-fcn mtat-crnn msd-fcn msd-crnn

teachers: setup .venv-peers/litert/.installed .venv-peers/musicnn/.installed ## Score music with twelve published taggers into runs/teachers; continues where it was stopped
	$(BIN)/python benchmarks/peers/score_tracks.py $(MUSIC) --pack --teachers $(TORCH_TEACHERS)
	.venv-peers/litert/bin/python benchmarks/peers/score_tracks.py $(MUSIC) --pack --teachers yamnet
	.venv-peers/musicnn/bin/python -W ignore benchmarks/peers/score_tracks.py $(MUSIC) --pack \
	    --teachers musicnn-mtat musicnn-msd

bench: setup ## Measure the front end, the networks, training and the whole path on this machine
	$(BIN)/python benchmarks/run.py

clean: ## Remove the environments and everything that was made in runs
	rm -rf .venv .venv-peers runs tools/page/node_modules js/node_modules js/types $(VENDOR)
