# `make demo` and `make test` are all the set-up there is: both install what they need into .venv.
# Another interpreter than python3: `make PYTHON=python3.12`.
BIN := .venv/bin

# tests run side by side; each process holds TensorFlow, so there are few
TESTS := $(BIN)/python -m pytest -m "not slow and not extra" \
	--numprocesses auto --maxprocesses 4 --dist worksteal

# one version, so that a new one breaks no run
TORCH := torch==2.13.0

.PHONY: demo test test-slow test-extras test-without-tensorflow test-browser bench lint format clean

# installed again if .venv cannot import the toolkit: its interpreter is gone or another, say
ifneq ($(shell $(BIN)/python -Ic 'import lipschitz' 2> /dev/null && echo works),works)
.PHONY: .venv/installed
endif

.venv/installed: pyproject.toml
	@./make_venv.sh $(PYTHON)
	touch $@

demo: .venv/installed
	@mkdir -p logs
	$(BIN)/python train_2layer.py --dataset digits --epochs 30
	$(BIN)/python collect_gradients.py --dataset digits --model_name 2-layer --numimg 10 -N 1024 -i 100 --save_attacks > logs/demo_collect.log
	$(BIN)/python clever.py lipschitz_mat/digits_2-layer --plot_dir plots --report plots/report.html --table 2 > logs/demo_scores.log
	@sed -n '/^image true/,$$p' logs/demo_scores.log
	@echo 'The fits are drawn in plots/, all lines are in logs/, the maxima in lipschitz_mat/.'
	@echo 'What these scores are worth, on a page for your browser: plots/report.html'

test: .venv/installed
	$(TESTS)

test-slow: .venv/installed
	$(BIN)/python -m pytest -m slow
	FUZZ_TIMES=8 $(BIN)/python -m pytest tests/fuzz

test-extras: .venv/installed
	$(BIN)/python -m pip install --quiet $(TORCH) --editable '.[onnx,parquet,ray,torch]'
	$(BIN)/python -m pytest -m "extra and not slow"

test-without-tensorflow: .venv/installed
	.ci/without_tensorflow $(BIN)/python $(TORCH)

test-browser: .venv/installed
	.ci/browser $(BIN)/python

bench: .venv/installed
	@mkdir -p logs
	$(BIN)/python benchmarks/collect.py
	$(BIN)/python benchmarks/fit.py
	$(BIN)/python benchmarks/commands.py
	$(BIN)/python benchmarks/coverage.py
	$(BIN)/python benchmarks/report.py

lint: .venv/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports --no-cache

format: .venv/installed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf .venv .venv-torch
