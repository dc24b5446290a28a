"""MLflow's own client, driven by a test: one command a line on standard input (JSON), one answer a line on standard output.

Importing MLflow takes seconds, so one process serves a whole test file. Every command names the store it is for.
"""
import json
import math
import os
import sqlite3
import sys
import tempfile
import time

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
out = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)

import logging

logging.disable(logging.WARNING)
import mlflow
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag, ViewType
from mlflow.store.db.utils import _get_latest_schema_revision


def number(value):
    if math.isnan(value):
        return "NaN"
    return value


def schema(uri, path):
    """What MLflow makes of a new file, and where it puts artifacts."""
    os.chdir(os.path.dirname(path))
    client = MlflowClient(uri)
    experiment = client.get_experiment(client.create_experiment("one"))
    run = client.create_run(experiment.experiment_id)
    connection = sqlite3.connect(path)
    objects = connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name").fetchall()
    rows = {t: connection.execute(f"SELECT * FROM {t}").fetchall() for t in ["alembic_version", "workspaces"]}
    default = connection.execute("SELECT experiment_id, name, artifact_location, lifecycle_stage, workspace FROM experiments WHERE experiment_id = 0").fetchall()
    columns = connection.execute("SELECT source_type, source_name, entry_point_name, status, end_time, source_version, lifecycle_stage, deleted_time FROM runs").fetchall()
    journal = connection.execute("PRAGMA journal_mode").fetchone()
    return {
        "objects": objects, "rows": rows, "default": default, "columns": columns, "journal": journal, "revision": _get_latest_schema_revision(),
        "location": experiment.artifact_location, "artifacts": run.info.artifact_uri.replace(run.info.run_id, "RUN"), "version": mlflow.__version__,
    }


def files(client, run_id, path=None):
    found = {}
    for info in client.list_artifacts(run_id, path):
        if info.is_dir:
            found.update(files(client, run_id, info.path))
        else:
            with tempfile.TemporaryDirectory() as directory:
                local = client.download_artifacts(run_id, info.path, directory)
                with open(local, "rb") as file:
                    found[info.path] = file.read().decode("latin-1")
    return found


def dump(uri):
    """Everything that MLflow reads from a store."""
    client = MlflowClient(uri)
    experiments = client.search_experiments(view_type=ViewType.ALL)
    runs = client.search_runs([e.experiment_id for e in experiments], run_view_type=ViewType.ALL, max_results=50000)
    one = {}
    for run in runs:
        read = client.get_run(run.info.run_id)
        # Not by values: NaN is not equal to itself.
        assert str(read.to_dictionary()) == str(run.to_dictionary())
        one[run.info.run_id] = {
            "name": run.info.run_name, "experiment": run.info.experiment_id, "status": run.info.status, "user": run.info.user_id,
            "start": run.info.start_time, "end": run.info.end_time, "artifact_uri": run.info.artifact_uri,
            "params": run.data.params, "tags": run.data.tags, "metrics": {k: number(v) for k, v in run.data.metrics.items()},
            "history": {k: [[number(m.value), m.timestamp, m.step] for m in client.get_metric_history(run.info.run_id, k)] for k in run.data.metrics},
            "inputs": [
                [i.dataset.name, i.dataset.digest, i.dataset.source_type, i.dataset.source, i.dataset.schema, i.dataset.profile, {t.key: t.value for t in i.tags}]
                for i in run.inputs.dataset_inputs
            ],
            "files": files(client, run.info.run_id),
        }
    models = {}
    for model in client.search_registered_models():
        models[model.name] = {
            "aliases": {a: int(v) for a, v in model.aliases.items()},
            "versions": sorted(
                [int(v.version), v.source, v.run_id, v.status, v.description or "", dict(v.tags)]
                for v in client.search_model_versions(f"name='{model.name}'")
            ),
        }
    return {"experiments": {e.name: [e.experiment_id, e.lifecycle_stage, e.artifact_location] for e in experiments}, "runs": one, "models": models}


def begin(uri, experiment):
    """A run as MLflow's client makes it, with one of everything."""
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    mlflow.set_experiment(experiment)
    client = MlflowClient(uri)
    with mlflow.start_run(run_name="theirs", tags={"team": "a b"}) as run:
        mlflow.log_params({"model": "tree", "depth": 3})
        for step, value in enumerate([1.5, float("nan"), float("inf"), float("-inf"), 0.25]):
            mlflow.log_metric("loss", value, step=step, timestamp=1000 + step)
        mlflow.log_text("written by MLflow", "notes/a.txt")
        dataset = Dataset(name="iris", digest="d1", source_type="local", source='{"uri": "iris.csv"}', schema="{}", profile=None)
        client.log_inputs(run.info.run_id, [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])])
        client.create_registered_model("theirs")
        version = client.create_model_version("theirs", f"{run.info.artifact_uri}/notes", run.info.run_id, tags={"k": "v"}, description="first")
        client.set_registered_model_alias("theirs", "champion", version.version)
    # Left open for another to continue.
    client.update_run(run.info.run_id, status="RUNNING")
    return run.info.run_id


def extend(uri, run_id):
    """Continues a run that another program began, and ends it."""
    client = MlflowClient(uri)
    mlflow.set_tracking_uri(uri)
    mlflow.set_experiment(experiment_id=client.get_run(run_id).info.experiment_id)
    with mlflow.start_run(run_id=run_id):
        mlflow.log_metric("loss", 0.125, step=100, timestamp=5000)
        mlflow.log_param("theirs", "yes")
        mlflow.set_tag("continued", "by MLflow")
        mlflow.log_text("more", "more.txt")
    return client.get_run(run_id).info.status


def search(uri, experiments, filter, order_by):
    """Ids in order, or the error's first line."""
    try:
        found = MlflowClient(uri).search_runs(experiments, filter_string=filter, order_by=order_by, max_results=1000)
        return [run.info.run_id for run in found]
    except mlflow.exceptions.MlflowException as error:
        return {"error": str(error).split("\n")[0]}


def many(uri, run_id, count):
    """Metrics one batch after the other, beside what other programs write."""
    client = MlflowClient(uri)
    for n in range(count):
        client.log_batch(run_id, metrics=[Metric(f"python", float(n), 1000 + n, n)], params=[], tags=[RunTag("python", str(n))])
    return count


def timed_log(uri, run_id, calls, batches):
    """Seconds of so many `log_metric`, and of so many `log_batch` of a thousand."""
    mlflow.set_tracking_uri(uri)
    client = MlflowClient(uri)
    began = time.perf_counter()
    for n in range(calls):
        client.log_metric(run_id, "single", float(n), timestamp=n, step=n)
    middle = time.perf_counter()
    for b in range(batches):
        client.log_batch(run_id, metrics=[Metric("batch", float(n), b * 1000 + n, b * 1000 + n) for n in range(1000)])
    return [middle - began, time.perf_counter() - middle]


def timed_read(uri, run_id, key, experiments, filter):
    """Seconds to read a history, to list all runs, and to filter them."""
    client = MlflowClient(uri)
    marks = [time.perf_counter()]
    points = len(client.get_metric_history(run_id, key))
    marks.append(time.perf_counter())
    runs = len(client.search_runs(experiments, max_results=50000))
    marks.append(time.perf_counter())
    found = len(client.search_runs(experiments, filter_string=filter, order_by=["metrics.m0 ASC"], max_results=50000))
    marks.append(time.perf_counter())
    return [[points, runs, found], [b - a for a, b in zip(marks, marks[1:])]]


COMMANDS = {f.__name__: f for f in [schema, dump, begin, extend, search, many, timed_log, timed_read]}
for line in sys.stdin:
    command = json.loads(line)
    try:
        answer = {"ok": COMMANDS[command.pop("do")](**command)}
    except Exception as error:
        answer = {"failed": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), file=out, flush=True)
