"""`lorascope.callback.Drift` in trainings of a tiny Llama: 20 steps, with transformers and peft."""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytestmark = [
    pytest.mark.heavy,
    # Other libraries warn of their own changes.
    pytest.mark.filterwarnings("default", "error::lorascope.LorascopeWarning"),
]

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
peft = pytest.importorskip("peft")

from lorascope.callback import Drift
from safetensors.numpy import load_file

TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
KINDS = ["q", "k", "v", "o", "gate", "up", "down"]


def tiny_model(rank=4, trained=False):
    """A Llama of two blocks with LoRA on everything; `trained` has a B that is not zero."""
    transformers.set_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=64,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
    )
    lora = peft.LoraConfig(r=rank, lora_alpha=8, target_modules=TARGETS, init_lora_weights=not trained)
    return peft.get_peft_model(transformers.LlamaForCausalLM(config), lora)


def data():
    random = np.random.default_rng(1)
    # Each token says which one follows, so that there is something to learn.
    starts = random.integers(0, 64, 64)
    rows = [(start + 7 * np.arange(12)) % 64 for start in starts]
    return [{"input_ids": row, "labels": row} for row in rows]


class Recorder(transformers.TrainerCallback):
    """A reporter: as W&B's and TensorBoard's, it stands before the callbacks that the user gives."""

    def __init__(self):
        self.seen = []

    def on_log(self, args, state, control, logs=None, **kwargs):
        self.seen.append((state.global_step, dict(logs)))


def train(folder, drift, model=None, reporters=(), steps=20, resume=None, **options):
    settings = {
        "output_dir": str(folder),
        "max_steps": steps,
        "save_steps": 5,
        "logging_steps": 1,
        "learning_rate": 3e-3,
        "per_device_train_batch_size": 4,
        "lr_scheduler_type": "constant",
        "report_to": [],
        "disable_tqdm": True,
        "use_cpu": True,
        "save_strategy": "steps",
    }
    trainer = transformers.Trainer(
        model or tiny_model(),
        transformers.TrainingArguments(**{**settings, **options}),
        train_dataset=data(),
        callbacks=[*reporters, drift],
    )
    trainer.train(resume_from_checkpoint=resume)
    return trainer


def lines_of(folder):
    return [json.loads(line) for line in (folder / "drift.jsonl").read_text().splitlines()]


def updates(checkpoint):
    """(A, B, ΔW) of each module of a checkpoint, in f64."""
    config = json.loads((checkpoint / "adapter_config.json").read_text())
    tensors = {
        name: value.astype(np.float64) for name, value in load_file(checkpoint / "adapter_model.safetensors").items()
    }
    scaling = config["lora_alpha"] / config["r"]
    pairs = {}
    for name, a in tensors.items():
        if name.endswith(".lora_A.weight"):
            b = tensors[name.replace("lora_A", "lora_B")]
            pairs[name.removesuffix(".lora_A.weight")] = (a, b, scaling * b @ a)
    return pairs


def by_definition(before, after, kind):
    """φ, adjusted φ, cosine and change of one kind of module on side b, with dense matrices."""
    phi, adjusted, dw = [], [], ([], [])
    for name in before:
        if kind not in ("all", name.rsplit(".", 1)[-1].removesuffix("_proj")):
            continue
        (_, b0, dw0), (_, b1, dw1) = before[name], after[name]
        u, v = (np.linalg.svd(b, full_matrices=False)[0] for b in (b0, b1))
        r, d = u.shape[1], u.shape[0]
        phi.append(np.linalg.norm(u.T @ v) ** 2 / r)
        adjusted.append((phi[-1] - r / d) / (1 - r / d))
        dw[0].append(dw0.ravel())
        dw[1].append(dw1.ravel())
    x, y = (np.concatenate(parts) for parts in dw)
    return {
        "modules": len(phi),
        "phi_full": np.mean(phi),
        "adjusted": np.mean(adjusted),
        "drift": 1 - np.mean(adjusted),
        "cosine": x @ y / np.linalg.norm(x) / np.linalg.norm(y),
        "change": np.linalg.norm(y - x) / np.linalg.norm(x),
    }


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Twenty steps with a checkpoint after each fifth, all of them kept."""
    folder = tmp_path_factory.mktemp("run")
    recorder = Recorder()
    trainer = train(folder, Drift(), reporters=[recorder])
    return folder, recorder, trainer


def test_every_number_is_that_of_dense_matrices(run):
    folder, _, _ = run
    lines = lines_of(folder)
    steps = [
        (10, "first", 5),
        (10, "previous", 5),
        (15, "first", 5),
        (15, "previous", 10),
        (20, "first", 5),
        (20, "previous", 15),
    ]
    keys = [(line["step"], line["reference"], line["reference_step"], line["kind"]) for line in lines]
    assert sorted(keys) == sorted((*step, kind) for step in steps for kind in ["all", *KINDS])
    assert keys[0] == (10, "first", 5, "all")
    for line in lines:
        before, after = (updates(folder / f"checkpoint-{line[key]}") for key in ("reference_step", "step"))
        for name, value in by_definition(before, after, line["kind"]).items():
            # The grid is f32.
            assert line[name] == pytest.approx(value, abs=1e-5), (line, name)
        assert line["side"] == "b"
    whole = {(line["reference"], line["step"]): line for line in lines if line["kind"] == "all"}
    # It trains on, so it moves away from its start, and further than in one interval.
    assert whole["first", 20]["change"] > whole["first", 10]["change"] > 0.05
    assert whole["first", 20]["change"] > whole["previous", 20]["change"] > 0.05


def test_reporters_and_the_history_of_the_trainer_have_the_numbers(run):
    folder, recorder, trainer = run
    expected = {}
    for line in lines_of(folder):
        for key, name in [("phi", "phi_full"), ("drift", "drift"), ("cosine", "cosine"), ("change", "change")]:
            expected[line["step"], f"lorascope/{key}_{line['reference']}/{line['kind']}"] = line[name]
    assert len(expected) == 3 * 2 * 8 * 4
    reported = {
        (step, key): value
        for step, logs in recorder.seen
        for key, value in logs.items()
        if key.startswith("lorascope/")
    }
    assert reported == expected
    history = {
        (entry["step"], key): value
        for entry in trainer.state.log_history
        for key, value in entry.items()
        if key.startswith("lorascope/")
    }
    assert history == expected
    losses = [logs["loss"] for _, logs in recorder.seen if "loss" in logs]
    assert len(losses) == 20, "the trainer's own log is as without the callback"
    assert losses[-1] < losses[0]


def test_the_console_gets_one_short_line_for_a_save(tmp_path, capsys):
    train(tmp_path, Drift(), steps=10)
    printed = [line for line in capsys.readouterr().out.splitlines() if "lorascope/" in line]
    assert len(printed) == 1, printed
    assert "lorascope/phi_first/all" in printed[0]
    assert "/q'" not in printed[0]
    assert len(printed[0]) < 500


def test_tensorboard_shows_them(tmp_path, monkeypatch):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    monkeypatch.setenv("TENSORBOARD_LOGGING_DIR", str(tmp_path / "events"))
    train(tmp_path, Drift(), steps=10, report_to=["tensorboard"])
    events = accumulator.EventAccumulator(str(next(tmp_path.rglob("events.out.*")).parent))
    events.Reload()
    line = next(line for line in lines_of(tmp_path) if line["kind"] == "q" and line["reference"] == "previous")
    (scalar,) = events.Scalars("train/lorascope/drift_previous/q")
    assert scalar.step == 10
    assert scalar.value == pytest.approx(line["drift"], abs=1e-6)


def test_a_run_that_keeps_one_checkpoint_has_the_same_numbers(run, tmp_path):
    folder, _, _ = run
    train(tmp_path, Drift(), save_total_limit=1)
    assert [path.name for path in tmp_path.glob("checkpoint-*")] == ["checkpoint-20"]
    assert lines_of(tmp_path) == lines_of(folder)
    assert sorted(path.name for path in (tmp_path / "_drift").iterdir()) == ["checkpoint-20", "checkpoint-5"]


def test_a_resumed_run_goes_on_where_it_was(run, tmp_path):
    folder, _, _ = run
    train(tmp_path, Drift(), steps=15, save_total_limit=1)
    # A later try got further and was stopped while it wrote a line; what it left behind counts no more.
    with (tmp_path / "drift.jsonl").open("a") as file:
        file.write('{"step": 17, "kind": "all"}\n{"step": 1')
    shutil.copytree(tmp_path / "_drift/checkpoint-15", tmp_path / "_drift/checkpoint-17")
    train(tmp_path, Drift(), save_total_limit=1, resume=str(tmp_path / "checkpoint-15"))
    assert lines_of(tmp_path) == lines_of(folder)


def test_a_new_run_in_the_folder_of_an_old_one_starts_again(run, tmp_path):
    folder, _, _ = run
    train(tmp_path, Drift(), steps=10)
    train(tmp_path, Drift())
    assert lines_of(tmp_path) == lines_of(folder)


def test_only_what_is_trained_moves(tmp_path):
    model = tiny_model(trained=True)
    for name, parameter in model.named_parameters():
        parameter.requires_grad = "lora_B" in name and ".q_proj" in name
    train(tmp_path, Drift(), model=model, steps=10)
    lines = {line["kind"]: line for line in lines_of(tmp_path) if line["reference"] == "first"}
    for kind in KINDS[1:]:
        assert lines[kind]["phi_full"] == pytest.approx(1, abs=1e-6)
        assert lines[kind]["drift"] == pytest.approx(0, abs=1e-6)
        assert lines[kind]["cosine"] == pytest.approx(1, abs=1e-12)
        assert lines[kind]["change"] < 1e-6
    assert lines["q"]["change"] > 1e-3
    assert lines["q"]["drift"] > 1e-6


def test_the_live_model_is_compared_between_saves(tmp_path):
    recorder = Recorder()
    train(tmp_path, Drift(every=2), reporters=[recorder])
    steps = sorted({line["step"] for line in lines_of(tmp_path)})
    # From the first checkpoint on, at every second step; at the step of a save, the save does it.
    assert steps == [6, 8, 10, 12, 14, 15, 16, 18, 20]
    assert len({(line["step"], line["reference"], line["kind"]) for line in lines_of(tmp_path)}) == len(
        lines_of(tmp_path)
    )
    change = {
        line["step"]: line["change"]
        for line in lines_of(tmp_path)
        if line["kind"] == "all" and line["reference"] == "first"
    }
    assert change[6] < change[8] < change[10] < change[12] < change[14]
    assert any(step == 6 and "lorascope/change_first/all" in logs for step, logs in recorder.seen)


def test_a_run_without_lora_is_a_warning_and_goes_on(tmp_path, caplog):
    model = tiny_model().unload()
    for parameter in model.parameters():
        parameter.requires_grad = True
    with caplog.at_level(logging.WARNING, logger="lorascope.callback"):
        trainer = train(tmp_path, Drift(), model=model, steps=10)
    assert trainer.state.global_step == 10
    assert not (tmp_path / "drift.jsonl").exists()
    messages = [record.getMessage() for record in caplog.records]
    assert [
        f"checkpoint-{step} has no adapter" in message for step, message in zip([5, 10], messages, strict=True)
    ] == [True] * 2


class Breaks(transformers.TrainerCallback):
    """Empties the checkpoint that is kept as the first one, after the second save."""

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == 12:
            kept = Path(args.output_dir, "_drift/checkpoint-5/adapter_model.safetensors")
            kept.unlink()
            kept.write_bytes(b"")


def test_a_checkpoint_that_cannot_be_read_is_a_warning_and_the_rest_goes_on(run, tmp_path, caplog):
    folder, _, _ = run
    with caplog.at_level(logging.WARNING, logger="lorascope.callback"):
        train(tmp_path, Drift(), reporters=[Breaks()])
    kept = [line for line in lines_of(folder) if line["step"] == 10 or line["reference"] == "previous"]
    assert lines_of(tmp_path) == kept
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 2
    assert "step 15 is not compared with step 5" in messages[0] and "_drift/checkpoint-5" in messages[0]


def test_a_number_of_steps_below_one_is_refused():
    with pytest.raises(ValueError, match="every: found 0"):
        Drift(every=0)


def test_importing_lorascope_does_not_import_transformers():
    code = "import sys, lorascope; print(sorted({'torch', 'transformers', 'peft'} & set(sys.modules)))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed == "[]\n"
