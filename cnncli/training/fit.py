"""Epoch after epoch: train, evaluate, keep, write down; at the end one look at the test split."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache

from cnncli.compute.failures import explained, fewer_steps
from cnncli.compute.interrupt import StopSignal
from cnncli.core.errors import CheckpointError, DataError, Interrupted, TrainingError
from cnncli.core.printable import shell_word
from cnncli.core.spec import Split
from cnncli.runs.checkpoint import Checkpoint, TrainingState, load_checkpoint, save_checkpoint
from cnncli.runs.history import Record
from cnncli.runs.run_folder import RunFolder
from cnncli.runs.tracking import Tracker
from cnncli.tasks.protocol import Meter
from cnncli.training.baselines import Comparison
from cnncli.training.best import Best
from cnncli.training.board import Activations, show_epoch
from cnncli.training.build import Experiment
from cnncli.training.display import Display
from cnncli.training.engine import train_one_epoch
from cnncli.training.epoch_table import Shown
from cnncli.training.features import whole
from cnncli.training.network import example_inputs, load_weights, use_calibration, weights_fault
from cnncli.training.report import evaluate_split, ranked_baselines
from cnncli.training.resuming import standing
from cnncli.training.saved_state import optimizer_fault, progress_fault, schedule_fault, without_gradient
from cnncli.training.step_losses import StepRecords
from cnncli.training.together import combine, parallel


class Fit:
    """One run of an experiment, from wherever its state stands to its last epoch."""

    def __init__(self, experiment: Experiment, run: RunFolder, display: Display) -> None:
        self.experiment, self.run, self.display = experiment, run, display
        self.config, self.state, self.ranks = experiment.config, experiment.state, experiment.runtime.ranks
        stopping = self.config.train.early_stopping
        self.best = Best(experiment.mode)
        self.progress = Best(experiment.mode, stopping.min_delta if stopping else 0.0)
        self.meter = experiment.task.meter()  # of the current epoch
        self.unchosen = experiment.task.calibration  # what answers need where nothing is chosen, as it was given
        self.comparison = Comparison(experiment)
        self.baseline: Record = {}  # metrics of the best one on the validation part
        self.activations = Activations()
        self.record: Record = {}  # of the last finished epoch

    def _baseline(self) -> Record:
        """The metrics of the best baseline on the validation part: they stay the same all through the run."""
        if (source := self.experiment.data.sources.get("val")) is None:
            return {}
        fitted = self.ranks.from_zero(lambda: self.comparison.on("val"))
        return dict(ranked_baselines(self.experiment.task, source, fitted)[0].metrics)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Put everything back as the checkpoint left it; raises ``CheckpointError``, and then nothing is changed."""
        saved, state = checkpoint.training, self.state
        assert saved is not None
        if fault := self._fault(saved):
            raise CheckpointError(f"{checkpoint.path}: {fault}; training cannot go on from it")
        use_calibration(self.experiment.task, checkpoint)
        load_weights(whole(state.model), saved.weights or checkpoint.weights, checkpoint)
        if state.average is not None and saved.average is not None:
            state.average.load_state_dict(saved.average)
        state.optimizer.load_state_dict(saved.optimizer)
        state.schedule.load_state_dict(saved.schedule)
        if state.scaler is not None and saved.scaler is not None:
            state.scaler.load_state_dict(saved.scaler)
        state.epoch, state.batch, state.global_step = saved.epoch, saved.batch, saved.global_step
        self.best.load_state_dict(saved.best)
        self.progress.load_state_dict(saved.progress)
        if self.ranks.is_zero:  # what is added up over all ranks counts once
            self.meter.load_state_dict(saved.meter)
        self.record = checkpoint.metrics
        if not self.ranks.from_zero(self._best_is_kept):
            self.display.warn(f"{self.run.best} is not the best of this history; the best is chosen from later epochs")
            self.best = Best(self.best.mode)

    def _fault(self, saved: TrainingState) -> str | None:
        """The first entry of a saved state that is not of this training, as ``entry: cause``."""
        fresh, state = self.checkpoint().training, self.state
        assert fresh is not None
        done = saved.epoch >= self.config.train.epochs
        return (
            weights_fault(saved.weights, fresh.weights, "training.weights")
            or weights_fault(saved.average, fresh.average, "training.average")
            or optimizer_fault(saved.optimizer, state.optimizer, cache(lambda: self._learned(saved)), done)
            or schedule_fault(saved, fresh, state.schedule)
            or progress_fault(saved, fresh, self.experiment.batches_per_epoch)
        )

    def _learned(self, saved: TrainingState) -> set[int]:
        """The positions of the optimizer's parameters that must have learned in what is done."""
        experiment, state = self.experiment, self.state
        if not saved.global_step:
            return set()
        if experiment.strategy is not None:
            # steps that fp16 left out could be all of an epoch
            last = saved.epoch if saved.batch else saved.epoch - 1
            experiment.strategy.frozen_at(0 if state.scaler is not None else last)
        model = whole(state.model)
        idle = without_gradient(model, example_inputs(experiment.data.spec, experiment.runtime.device))
        learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
        learned = {id(parameter) for place, parameter in enumerate(learning) if place not in idle}
        known = [parameter for group in state.optimizer.param_groups for parameter in group["params"]]
        return {position for position, parameter in enumerate(known) if id(parameter) in learned}

    def _best_is_kept(self) -> bool:
        """Whether best.pt holds the epoch that the history calls best; resuming an older checkpoint undoes that."""
        if self.best.value is None:
            return True
        try:
            return bool(load_checkpoint(self.run.best).metrics["epoch"] == self.best.epoch)
        except CheckpointError:
            return False

    def run_to_end(self, tracker: Tracker | None) -> None:
        """All epochs that remain; the rank that writes has a ``tracker``.

        Raises ``Interrupted`` after writing a checkpoint, ``TrainingError`` when the loss is no longer a number; the
        checkpoints written before stay as they are.
        """
        with StopSignal() as stop, explained(fewer_steps(self.config.dataset.batch_size, self.config.precision)):
            if self.ranks.is_zero and not self.run.last.exists():
                self.keep_last()  # so that a kill in the first epoch can be resumed
            self.baseline = self._baseline()
            while not self.finished:
                timing = self._train(stop, tracker)
                self.ranks.agree(stop)
                evaluated = None
                with _timed(timing, "eval_seconds"):
                    if "val" in self.experiment.data.sources and stop.signum is None:
                        evaluated = self._evaluate("val", stop)
                if stop.signum is not None:
                    self._interrupt(stop.signum)
                self._finish_epoch(evaluated, timing, tracker)
                self.ranks.agree(stop)
                if stop.signum is not None:  # it came while the epoch was written down
                    self._interrupt(stop.signum)
        if self.best.value is None:
            monitor = self.config.checkpoint.monitor
            raise TrainingError(f"{monitor} was never a number, so no epoch is best; last.pt is in {self.run.path}")

    def _train(self, stop: StopSignal, tracker: Tracker | None) -> Record:
        """The rest of the current epoch; returns how long it took and how fast it was."""
        experiment, state = self.experiment, self.state
        start, before = time.perf_counter(), self.meter.samples
        loader = experiment.loader("train", training=True)  # computes features, where they are kept
        if experiment.strategy is not None:
            state.frozen = experiment.strategy.frozen_at(state.epoch)
        state.parallel = parallel(state.model, experiment.data, experiment.runtime)
        number = state.epoch + 1, self.config.train.epochs
        batches = self.display.train(
            loader.epoch(state.epoch, state.batch), len(loader), state.batch, number, self.meter, self.ranks.count
        )
        if tracker is not None and tracker.wants_steps:
            state.steps = state.steps or StepRecords(self.config.logging.steps)
            batches = state.steps.telling(batches, tracker.steps)
        train_one_epoch(
            state, batches, experiment.task, experiment.runtime, self.config.train, self.meter, stop,
            loader.order.repeated,
        )  # fmt: skip
        if tracker is not None and state.steps is not None:
            tracker.steps(state.steps.take())
        combine(self.meter, self.ranks)
        self.ranks.even_out(state.model, *([state.average.model] if state.average is not None else []))
        self._check_finite("train/loss", self.meter.compute()["loss"])  # waits for the device
        seconds = time.perf_counter() - start
        speed = (self.meter.samples - before) / max(seconds, 1e-9)
        return {"train_seconds": round(seconds, 4), "samples_per_second": round(speed, 1)}

    def _evaluate(self, split: Split, stop: StopSignal) -> Meter | None:
        it, model = self.experiment, self.state.eval_model
        return evaluate_split(model, it.data, split, it.task, it.runtime, self.display, stop)

    def _finish_epoch(self, evaluated: Meter | None, timing: Record, tracker: Tracker | None) -> None:
        state, task = self.state, self.experiment.task
        metrics = {f"train/{name}": value for name, value in self.meter.compute().items()}
        if evaluated is not None:
            with _timed(timing, "eval_seconds"):
                if task.metrics_need_calibration:
                    task.calibrate(evaluated)
                metrics |= {f"val/{name}": value for name, value in evaluated.compute().items()}
            metrics |= {f"baseline/{name}": value for name, value in self.baseline.items()}
            self._check_finite("val/loss", metrics["val/loss"])
        about = {"epoch": state.epoch + 1, "global_step": state.global_step, "lr": state.schedule.lr}
        self.record = {**about, **timing, **metrics}
        monitored = self._monitored()
        state.schedule.end_epoch(monitored)
        state.epoch, state.batch = state.epoch + 1, 0
        is_best = self.best.update(monitored, state.epoch, self.record.get("val/loss", math.inf))
        self.progress.update(monitored, state.epoch)
        self.meter = task.meter()
        if evaluated is not None and not task.metrics_need_calibration:
            with _timed(self.record, "eval_seconds"):
                self._calibrate(evaluated, is_best)
        if tracker is not None:
            self._keep(is_best)
            tracker.epoch(self.record)
            show_epoch(self.experiment, tracker, self.activations)
        unit, monitor = self.experiment.data.spec.kind.unit, self.config.checkpoint.monitor
        self.display.epoch(self.record, Shown(self.config.train.epochs, task.headline, monitor, unit), is_best)

    def _calibrate(self, evaluated: Meter, is_best: bool) -> None:
        """Choose what answers need on validation where the weights are kept for answering; else nothing is chosen."""
        task, every = self.experiment.task, self.config.checkpoint.every
        if is_best or self.finished or (every and self.state.epoch % every == 0):
            task.calibrate(evaluated)
        else:
            task.use(self.unchosen)

    def _monitored(self) -> float:
        """The metric that picks the best epoch; raises ``DataError`` where the validation part has no such thing."""
        monitor = self.config.checkpoint.monitor
        if monitor not in self.record:
            raise DataError(
                f"{monitor} is not defined for this validation part (one class, say); set checkpoint.monitor: val/loss"
            )
        return self.record[monitor]

    def _check_finite(self, name: str, loss: float) -> None:
        """Weights whose loss is no number are never kept: the accuracy of NaN logits can look fine."""
        if not math.isfinite(loss):
            raise TrainingError(
                f"{name} is {loss} in epoch {self.state.epoch + 1}, after step {self.state.global_step} "
                f"(lr {self.state.schedule.lr:.3g}); lower optimizer.lr or set train.clip_grad_norm; "
                f"{self.run.last} holds the weights before this epoch"
            )

    def _keep(self, is_best: bool) -> None:
        """Write best.pt, which holds what answering needs, and last.pt, which resuming needs as well."""
        checkpoint = self.checkpoint()
        if is_best:
            save_checkpoint(self.run.best, replace(checkpoint, training=None))
        every = self.config.checkpoint.every
        if every and self.state.epoch % every == 0:
            save_checkpoint(self.run.epoch(self.state.epoch), checkpoint)
        save_checkpoint(self.run.last, checkpoint)

    def keep_last(self) -> None:
        """Write last.pt as everything stands."""
        save_checkpoint(self.run.last, self.checkpoint())

    def checkpoint(self) -> Checkpoint:
        """Everything as it stands."""
        state, task = self.state, self.experiment.task
        averaged = state.average is not None
        training = TrainingState(
            weights=whole(state.model).state_dict() if averaged else None,
            average=state.average.state_dict() if state.average is not None else None,
            optimizer=state.optimizer.state_dict(),
            schedule=state.schedule.state_dict(),
            scaler=state.scaler.state_dict() if state.scaler is not None else None,
            epoch=state.epoch,
            batch=state.batch,
            global_step=state.global_step,
            best=self.best.state_dict(),
            progress=self.progress.state_dict(),
            meter=self.meter.state_dict(),
        )
        return Checkpoint(
            config=self.config,
            spec=self.experiment.data.spec,
            weights=whole(state.eval_model).state_dict(),
            metrics=self.record,
            calibration=task.calibration.to_dict(),
            training=training,
            members=self.experiment.data.members,
        )

    def _interrupt(self, signum: int) -> None:
        """Keep the work of the unfinished epoch, then end."""
        if self.ranks.is_zero:
            self.keep_last()
        self.ranks.wait()  # nobody ends before the checkpoint is there
        raise Interrupted(
            f"stopped {standing(self.state.epoch, self.state.batch)}; "
            f"go on with: cnncli train --resume {shell_word(self.run.path)}",
            signum,
            str(self.run.path),
        )

    @property
    def finished(self) -> bool:
        """Whether all epochs are done, or training has stopped early."""
        stopping = self.config.train.early_stopping
        stale = stopping is not None and self.state.epoch - self.progress.epoch >= stopping.patience
        return stale or self.state.epoch >= self.config.train.epochs


@contextmanager
def _timed(record: Record, name: str) -> Iterator[None]:
    """Add the seconds inside to ``record[name]``."""
    start = time.perf_counter()
    yield
    record[name] = round(record.get(name, 0.0) + time.perf_counter() - start, 4)
