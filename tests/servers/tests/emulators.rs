//! The emulators start, answer the clients that people use, and are gone when their handles are.
use ochre_servers::{Azurite, AzuriteOptions, Gcs, Moto, python};
use std::process::Command;

/// Runs a Python program with the peers' clients; its output is in the panic when it fails.
fn client(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(python().unwrap()).args(["-c", program]).args(arguments).env("PYTHONDONTWRITEBYTECODE", "1").output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}");
    text.trim().to_string()
}

#[test]
fn azurite_keeps_what_microsofts_client_writes() {
    let azurite = Azurite::start().unwrap();
    let program = "
import sys
from azure.storage.blob import BlobServiceClient
service = BlobServiceClient.from_connection_string(sys.argv[1])
container = service.create_container('box')
container.upload_blob('a/b.txt', b'hello')
print(container.download_blob('a/b.txt').readall().decode(), [b.name for b in container.list_blobs()])
";
    assert_eq!(client(program, &[&azurite.connection_string()]), "hello ['a/b.txt']");
}

#[test]
fn azurite_takes_bearer_tokens_over_https() {
    let azurite = Azurite::start_with(AzuriteOptions { oauth: true }).unwrap();
    let program = "
import base64, json, sys, time
from azure.core.credentials import AccessToken
from azure.storage.blob import BlobServiceClient
part = lambda v: base64.urlsafe_b64encode(json.dumps(v).encode()).rstrip(b'=').decode()
class Static:
    def get_token(self, *scopes, **rest):
        now = int(time.time())
        claims = dict(aud='https://storage.azure.com', iss='https://sts.windows.net/x/', nbf=now - 60, iat=now - 60, exp=now + 3600)
        return AccessToken(part(dict(alg='RS256', typ='JWT')) + '.' + part(claims) + '.c2ln', now + 3600)
service = BlobServiceClient(sys.argv[1], credential=Static(), connection_verify=sys.argv[2])
service.create_container('box').upload_blob('x', b'by token')
print(service.get_blob_client('box', 'x').download_blob().readall().decode())
";
    let certificate = azurite.certificate().unwrap().to_str().unwrap().to_string();
    assert_eq!(client(program, &[&azurite.endpoint(), &certificate]), "by token");
}

#[test]
fn moto_keeps_what_boto_writes() {
    let moto = Moto::start().unwrap();
    moto.create_bucket("bucket").unwrap();
    let program = "
import boto3, sys
s3 = boto3.client('s3', endpoint_url=sys.argv[1], aws_access_key_id=sys.argv[2], aws_secret_access_key=sys.argv[3], region_name=sys.argv[4])
s3.put_object(Bucket='bucket', Key='k', Body=b'hello')
print(s3.get_object(Bucket='bucket', Key='k')['Body'].read().decode())
";
    assert_eq!(client(program, &[moto.endpoint(), Moto::KEY_ID, Moto::KEY, Moto::REGION]), "hello");
}

#[test]
fn the_gcs_emulator_keeps_what_googles_client_writes() {
    let gcs = Gcs::start().unwrap();
    gcs.create_bucket("bucket").unwrap();
    let program = "
import sys
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage
client = storage.Client(project='test', credentials=AnonymousCredentials(), client_options={'api_endpoint': sys.argv[1]})
client.bucket('bucket').blob('k').upload_from_string('hello')
print(client.bucket('bucket').blob('k').download_as_text())
";
    assert_eq!(client(program, &[gcs.endpoint()]), "hello");
}
