"""Microsoft's and Databricks' own Python SDKs against a recording stub, for sdk.rs: `sdk.py BASE CERTIFICATE DIRECTORY`.

Before each operation the stub is asked for /mark/NAME, so that its record can be cut. What the SDK returns is printed, one JSON line each.
"""
import json
import os
import ssl
import sys
import urllib.request

BASE, CERTIFICATE, DIRECTORY = sys.argv[1:4]
os.environ["REQUESTS_CA_BUNDLE"] = CERTIFICATE
os.environ["AZURE_TENANT_ID"] = "tenant-1"

from azure.core.credentials import AccessToken
from azure.identity import (
    AzureCliCredential,
    ClientSecretCredential,
    DeviceCodeCredential,
    ManagedIdentityCredential,
    WorkloadIdentityCredential,
)
from azure.keyvault.secrets import SecretClient
from azure.mgmt.machinelearningservices import MachineLearningServicesMgmtClient
from azure.mgmt.machinelearningservices import models as ml
from azure.mgmt.storage import StorageManagementClient
from azure.mgmt.storage import models as storage
from databricks.sdk import WorkspaceClient

STORAGE = "https://storage.azure.com/.default"
SUBSCRIPTION, GROUP, WORKSPACE = "sub-1", "group-1", "shop"
ENTRA = dict(authority=BASE, disable_instance_discovery=True, connection_verify=CERTIFICATE)
PLATFORM = ("IDENTITY_ENDPOINT", "IDENTITY_HEADER", "MSI_ENDPOINT", "MSI_SECRET")


class Fixed:
    """A credential that is there already."""

    def get_token(self, *scopes, **_):
        return AccessToken("tok-" + scopes[0].split("//")[1].split(".")[0], 4102444800)


def arm(client, **more):
    return client(Fixed(), SUBSCRIPTION, base_url=BASE, connection_verify=CERTIFICATE, retry_total=0, **more)


def machine_learning():
    return arm(MachineLearningServicesMgmtClient, api_version="2025-12-01")


def accounts(version="2024-01-01"):
    return arm(StorageManagementClient, api_version=version)


def vault():
    return SecretClient(BASE, Fixed(), api_version="7.4", verify_challenge_resource=False, connection_verify=CERTIFICATE, retry_total=0)


def managed(client_id=None, **variables):
    for name in PLATFORM:
        os.environ.pop(name, None)
    os.environ.update(variables)
    credential = ManagedIdentityCredential(client_id=client_id, connection_verify=CERTIFICATE, retry_total=0)
    return credential.get_token(STORAGE).token


def workspace():
    path = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/"
    body = ml.Workspace(
        location="westeurope",
        friendly_name=WORKSPACE,
        identity=ml.ManagedServiceIdentity(type="SystemAssigned"),
        storage_account=path + "Microsoft.Storage/storageAccounts/own",
        key_vault=path + "Microsoft.KeyVault/vaults/own",
    )
    return machine_learning().workspaces.begin_create_or_update(GROUP, WORKSPACE, body, polling_interval=0).result().name


def account():
    body = storage.StorageAccountCreateParameters(
        sku=storage.Sku(name="Standard_LRS"),
        kind="StorageV2",
        location="westeurope",
        allow_blob_public_access=False,
        is_hns_enabled=False,
        minimum_tls_version="TLS1_2",
        enable_https_traffic_only=True,
        encryption=storage.Encryption(
            key_source="Microsoft.Storage",
            services=storage.EncryptionServices(blob=storage.EncryptionService(enabled=True), file=storage.EncryptionService(enabled=True)),
        ),
    )
    return accounts("2023-05-01").storage_accounts.begin_create(GROUP, "new", body, polling_interval=0).result().name


def databricks():
    return WorkspaceClient(host=BASE, token="dapi-1").secrets


# DATABRICKS' SDK reads the proxy and certificate variables of `requests`, as the others do.
OPERATIONS = {
    "client-secret": lambda: ClientSecretCredential("tenant-1", "client-1", "s3cret-value~1", **ENTRA).get_token(STORAGE).token,
    "workload-identity": lambda: WorkloadIdentityCredential(tenant_id="tenant-1", client_id="client-1", token_file_path=DIRECTORY + "/federated", **ENTRA).get_token(STORAGE).token,
    "device-code": lambda: DeviceCodeCredential(tenant_id="tenant-1", prompt_callback=lambda *_: None, **ENTRA).get_token(STORAGE).token,
    "cli": lambda: AzureCliCredential().get_token(STORAGE).token,
    "cli-tenant": lambda: AzureCliCredential(tenant_id="tenant-2").get_token(STORAGE).token,
    "app-service": lambda: managed(IDENTITY_ENDPOINT=BASE + "/msi/token", IDENTITY_HEADER="header-1"),
    "app-service-client": lambda: managed("id-1", IDENTITY_ENDPOINT=BASE + "/msi/token", IDENTITY_HEADER="header-1"),
    "azure-ml": lambda: managed(MSI_ENDPOINT=BASE + "/MSI/auth", MSI_SECRET="secret-1"),
    "azure-ml-client": lambda: managed("id-1", MSI_ENDPOINT=BASE + "/MSI/auth", MSI_SECRET="secret-1"),
    "cloud-shell": lambda: managed(MSI_ENDPOINT=BASE + "/cloudshell"),
    "imds": lambda: managed(AZURE_POD_IDENTITY_AUTHORITY_HOST=BASE),
    "imds-client": lambda: managed("id-1", AZURE_POD_IDENTITY_AUTHORITY_HOST=BASE),
    "workspace-get": lambda: machine_learning().workspaces.get(GROUP, WORKSPACE).ml_flow_tracking_uri,
    "workspaces-list": lambda: [w.name for w in machine_learning().workspaces.list_by_subscription()],
    "workspace-put": workspace,
    "datastores-list": lambda: [d.name for d in machine_learning().datastores.list(GROUP, WORKSPACE)],
    "datastore-get": lambda: machine_learning().datastores.get(GROUP, WORKSPACE, "pictures").properties.container_name,
    "datastore-secrets": lambda: machine_learning().datastores.list_secrets(GROUP, WORKSPACE, "pictures").key,
    "accounts-list": lambda: [a.name for a in accounts().storage_accounts.list()],
    "account-keys": lambda: accounts().storage_accounts.list_keys(GROUP, "own").keys_property[0].value,
    "account-containers": lambda: [c.name for c in accounts().blob_containers.list(GROUP, "own")],
    "account-put": account,
    "vault-get": lambda: vault().get_secret("db-key").value,
    "vault-set": lambda: vault().set_secret("db-key", 'pa"ss wörd').name,
    "vault-list": lambda: [s.name for s in vault().list_properties_of_secrets()],
    "vault-delete": lambda: vault().begin_delete_secret("db-key").result().name,
    "databricks-scopes": lambda: [s.name for s in databricks().list_scopes()],
    "databricks-list": lambda: [s.key for s in databricks().list_secrets("team scope")],
    "databricks-get": lambda: databricks().get_secret("team scope", "db/key").value,
    "databricks-put": lambda: databricks().put_secret("team scope", "db/key", string_value="pa$$ wörd"),
    "databricks-create": lambda: databricks().create_scope("team scope"),
    "databricks-delete": lambda: databricks().delete_secret("team scope", "db/key"),
}


def mark(name):
    urllib.request.urlopen(f"{BASE}/mark/{name}", context=ssl.create_default_context(cafile=CERTIFICATE)).read()


def main():
    for name, operation in OPERATIONS.items():
        mark(name)
        try:
            print(json.dumps({"name": name, "gives": operation()}), flush=True)
        except Exception as error:  # The Rust side reports it beside what was recorded.
            print(json.dumps({"name": name, "error": f"{type(error).__name__}: {error}"}), flush=True)


main()
