"""MLflow's client with Microsoft's plugin or Databricks' SDK against a recording stub, for oracles.rs: `oracle.py azureml|databricks BASE CERTIFICATE`.

Before each operation the stub is asked for /mark/NAME, so that its record can be cut. The names are printed, with the error of one that failed.
"""
import json
import os
import ssl
import sys
import urllib.request

SIDE, BASE, CERTIFICATE = sys.argv[1:4]
os.environ.update({
    "REQUESTS_CA_BUNDLE": CERTIFICATE, "MLFLOW_DISABLE_TELEMETRY": "true", "GIT_PYTHON_REFRESH": "quiet", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "DATABRICKS_HOST": BASE, "DATABRICKS_TOKEN": "dapi-1", "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false", "MLFLOW_DISABLE_DATABRICKS_SDK_FOR_RUN_ARTIFACTS": "true",
})
SCOPE = "/subscriptions/sub-1/resourceGroups/group-1/providers/Microsoft.MachineLearningServices/workspaces/shop"
URI = "databricks" if SIDE == "databricks" else BASE.replace("https", "azureml") + "/mlflow/v2.0" + SCOPE
os.environ["MLFLOW_TRACKING_URI"] = URI

if SIDE == "azureml":
    from azure.core.credentials import AccessToken, AccessTokenInfo
    from azure.identity import ChainedTokenCredential, DefaultAzureCredential

    def token(scopes):
        return "tok-" + scopes[0].split("//")[1].split(".")[0]

    for kind in [ChainedTokenCredential, DefaultAzureCredential]:
        kind.get_token = lambda self, *scopes, **_: AccessToken(token(scopes), 4102444800)
        kind.get_token_info = lambda self, *scopes, **_: AccessTokenInfo(token(scopes), 4102444800)

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag

if SIDE == "azureml":
    from azureml.mlflow._client.artifact._utils import blob_artifact_util

    # The stub's host is none of Azure's.
    blob_artifact_util.is_source_uri_matches_storage_blob = lambda *_, **__: True

mlflow.set_tracking_uri(URI)
client = MlflowClient(URI, registry_uri=URI)


def inputs():
    dataset = Dataset("wine", "abc123", "local", '{"uri": "wine.csv"}', schema="{}", profile="{}")
    client.log_inputs("run-1", [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])])


def register():
    client.create_registered_model("flowers")
    client.create_model_version("flowers", "dbfs:/models/1", "run-1", tags={"k": "v"}, description="first", await_creation_for=0)


def batch():
    values = [1.5, float("nan"), float("inf"), float("-inf")]
    metrics = [Metric("loss", v, 1000 + n, n) for n, v in enumerate(values)]
    client.log_batch("run-1", metrics=metrics, params=[Param("größe", 'a "b"')], tags=[RunTag("team", "red")])


OPERATIONS = {
    "experiment": lambda: client.get_experiment_by_name("a b/c"),
    "experiments": lambda: client.search_experiments(),
    "run-create": lambda: client.create_run("1", start_time=5, tags={"mlflow.user": "ann", "mlflow.runName": "first"}, run_name="first"),
    "batch": batch,
    "run-get": lambda: client.get_run("run-1"),
    "run-update": lambda: client.set_terminated("run-1", "FINISHED", 7),
    "runs": lambda: client.search_runs(["1"], "metrics.loss > 1", order_by=["metrics.loss DESC"], max_results=7),
    "history": lambda: client.get_metric_history("run-1", "loss"),
    "inputs": inputs,
    "register": register,
    "version": lambda: client.get_model_version("flowers", "3"),
    "versions": lambda: client.search_model_versions("name='flowers'", max_results=100),
    "alias": lambda: client.get_model_version_by_alias("flowers", "champion"),
    "models": lambda: client.search_registered_models(max_results=100),
    "artifact-put": lambda: client.log_text("run-1", "hello", "a b/c.txt"),
    "artifact-list": lambda: client.list_artifacts("run-1", "a b"),
    "artifact-get": lambda: client.download_artifacts("run-1", "a b/c.txt"),
}

trusting = ssl.create_default_context(cafile=CERTIFICATE)
for name, operation in OPERATIONS.items():
    urllib.request.urlopen(f"{BASE}/mark/{name}", context=trusting).read()
    try:
        operation()
        print(json.dumps({"name": name}), flush=True)
    except Exception as error:
        print(json.dumps({"name": name, "error": f"{type(error).__name__}: {error}"[:300]}), flush=True)
