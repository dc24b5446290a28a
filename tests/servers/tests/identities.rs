//! The identity server and the stub, against Microsoft's and Amazon's own clients.
use ochre_servers::{Identity, IdentityOptions, Reply, Stub, python};
use std::process::Command;

fn client(program: &str, arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let mut command = Command::new(python().unwrap());
    let output = command.args(["-c", program]).args(arguments).env("PYTHONDONTWRITEBYTECODE", "1").envs(variables.iter().copied()).output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}");
    // What clients log besides is on stderr.
    String::from_utf8_lossy(&output.stdout).trim().to_string()
}

#[test]
fn microsofts_identities_get_tokens() {
    let identity = Identity::start_tls(IdentityOptions { pending: 1, interval: 1, ..IdentityOptions::default() }).unwrap();
    let ca = identity.certificate().unwrap().pem.to_str().unwrap().to_string();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), Identity::ASSERTION).unwrap();
    let program = "
import sys
from azure.identity import ClientSecretCredential, DeviceCodeCredential, WorkloadIdentityCredential
url, tenant, client, secret, file, ca = sys.argv[1:]
rest = dict(authority=url, disable_instance_discovery=True, connection_verify=ca)
scope = 'https://storage.azure.com/.default'
print(ClientSecretCredential(tenant, client, secret, **rest).get_token(scope).token)
print(WorkloadIdentityCredential(tenant_id=tenant, client_id=client, token_file_path=file, **rest).get_token(scope).token)
said = []
print(DeviceCodeCredential(client, tenant_id=tenant, prompt_callback=lambda *a: said.append(a), **rest).get_token(scope).token)
assert said[0][1] == 'OCHRE1234', said
try: ClientSecretCredential(tenant, client, 'wrong', **rest).get_token(scope); print('no error')
except Exception as e: print('AADSTS7000215' in str(e))
";
    let said = client(program, &[&identity.url(), Identity::TENANT, Identity::CLIENT, Identity::SECRET, file.path().to_str().unwrap(), &ca], &[("SSL_CERT_FILE", &ca)]);
    let mut expected = identity.issued();
    assert_eq!(expected.len(), 3);
    expected.push("True".into());
    assert_eq!(said.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn microsofts_managed_identities_get_tokens() {
    let identity = Identity::start(IdentityOptions::default()).unwrap();
    let program = "
import os, sys
from azure.identity import ManagedIdentityCredential
url, header, client = sys.argv[1:]
scope = 'https://storage.azure.com/.default'
os.environ['AZURE_POD_IDENTITY_AUTHORITY_HOST'] = url
print(ManagedIdentityCredential().get_token(scope).token)
print(ManagedIdentityCredential(client_id=client).get_token(scope).token)
os.environ.update(IDENTITY_ENDPOINT=url + '/msi/token', IDENTITY_HEADER=header)
print(ManagedIdentityCredential().get_token(scope).token)
del os.environ['IDENTITY_ENDPOINT'], os.environ['IDENTITY_HEADER']
os.environ.update(MSI_ENDPOINT=url + '/MSI/auth/', MSI_SECRET=header)
print(ManagedIdentityCredential().get_token(scope).token)
";
    let said = client(program, &[&identity.url(), Identity::HEADER, Identity::USER_ASSIGNED], &[]);
    assert_eq!(said.lines().map(str::to_string).collect::<Vec<_>>(), identity.issued(), "{:?}", identity.exchanges());
    assert_eq!(identity.issued().len(), 4);
}

#[test]
fn amazons_client_gets_the_instances_keys() {
    let identity = Identity::start(IdentityOptions::default()).unwrap();
    let program = "
import botocore.session
c = botocore.session.Session().get_credentials().get_frozen_credentials()
print(c.access_key, c.secret_key, c.token)
";
    let expected = format!("{} {} {}", Identity::AWS_ID, Identity::AWS_KEY, Identity::AWS_TOKEN);
    let nowhere = [("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"), ("AWS_CONFIG_FILE", "/dev/null")];
    let url = identity.url();
    let of = |variable: (&str, &str)| client(program, &[], &[nowhere[0], nowhere[1], variable]);
    assert_eq!(of(("AWS_EC2_METADATA_SERVICE_ENDPOINT", &url)), expected);
    assert_eq!(of(("AWS_CONTAINER_CREDENTIALS_FULL_URI", &format!("{url}/ecs/credentials"))), expected);
}

#[test]
fn the_stub_records_what_an_sdk_sends_over_tls() {
    let stub = Stub::start_tls().unwrap();
    stub.on("GET", "/api/2.0/secrets/get", Reply::json(200, &serde_json::json!({ "key": "k", "value": "aGVsbG8=" })));
    let ca = stub.certificate().unwrap().pem.to_str().unwrap().to_string();
    let program = "
import sys
from databricks.sdk import WorkspaceClient
print(WorkspaceClient(host=sys.argv[1], token='dapi-test').secrets.get_secret('scope', 'k').value)
";
    assert_eq!(client(program, &[&stub.url()], &[("REQUESTS_CA_BUNDLE", &ca)]), "aGVsbG8=");
    let requests = stub.requests();
    let one = requests.iter().find(|r| r.path == "/api/2.0/secrets/get").unwrap();
    assert_eq!((one.method.as_str(), one.query("scope"), one.query("key")), ("GET", Some("scope"), Some("k")));
    assert_eq!(one.header("authorization"), Some("Bearer dapi-test"));
}
