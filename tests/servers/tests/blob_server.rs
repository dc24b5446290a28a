//! The blob server against the clients that people use, and its faults against a socket.
use ochre_servers::{BlobOptions, BlobServer, Fault, Faults, contents, python, python_script};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

const MIB: u64 = 1024 * 1024;

fn run(command: &mut Command) -> String {
    let output = command.env("PYTHONDONTWRITEBYTECODE", "1").output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}\n{text}");
    text.trim().to_string()
}

fn client(program: &str, arguments: &[&str]) -> String {
    run(Command::new(python().unwrap()).args(["-c", program]).args(arguments))
}

/// One request over a plain socket; what came back, as far as it came.
fn ask(server: &BlobServer, request: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(server.url().trim_start_matches("http://")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(format!("{request}\r\nConnection: close\r\n\r\n").as_bytes()).unwrap();
    let mut answer = Vec::new();
    // A reset is an answer too.
    let _ = stream.read_to_end(&mut answer);
    answer
}

fn body(answer: &[u8]) -> &[u8] {
    answer.windows(4).position(|w| w == b"\r\n\r\n").map_or(&[], |at| &answer[at + 4..])
}

fn status(answer: &[u8]) -> String {
    String::from_utf8_lossy(answer).split(' ').nth(1).unwrap_or_default().to_string()
}

fn with(faults: Faults) -> BlobServer {
    BlobServer::start(BlobOptions { faults, ..BlobOptions::default() }).unwrap()
}

#[test]
fn microsofts_client_finds_azure() {
    let server = BlobServer::start(BlobOptions::default()).unwrap();
    let version = server.put_synthetic("made", "big", 20 * MIB);
    let program = "
import hashlib, sys
from azure.core.exceptions import ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.storage.blob import BlobServiceClient
service = BlobServiceClient(sys.argv[1], credential=dict(account_name='ochreblobs', account_key=sys.argv[2]), max_block_size=1 << 20, max_single_put_size=1 << 20)
container = service.create_container('box')
data = bytes(range(256)) * 20000
container.upload_blob('dir/blocks & more ü.bin', data, metadata={'colour': 'ochre'})
container.upload_blob('dir/sub/x', b'x')
container.upload_blob('y', b'y')
blob = container.get_blob_client('dir/blocks & more ü.bin')
assert blob.download_blob().readall() == data
assert blob.download_blob(offset=1000, length=50, validate_content=True).readall() == data[1000:1050]
assert blob.get_blob_properties().metadata == {'colour': 'ochre'}
print([b.name for b in container.list_blobs()], [b.name for b in container.walk_blobs()])
for act in (lambda: container.upload_blob('y', b'z'), lambda: service.create_container('box')):
    try: act(); print('no error')
    except ResourceExistsError as e: print(e.error_code)
try: container.download_blob('nothing'); print('no error')
except ResourceNotFoundError as e: print(e.error_code)
from azure.core import MatchConditions
try: blob.download_blob(etag='\"0x1\"', match_condition=MatchConditions.IfNotModified); print('no error')
except ResourceModifiedError as e: print(e.error_code)
container.get_blob_client('copy').start_copy_from_url(blob.url)
assert container.download_blob('copy').readall() == data
container.delete_blobs('y', 'dir/sub/x')
print([b.name for b in container.list_blobs(results_per_page=1)])
print(hashlib.sha256(service.get_blob_client('made', 'big').download_blob().readall()).hexdigest())
";
    let said = client(program, &[&server.azure_endpoint(), BlobServer::KEY]);
    let sum: String = <sha2::Sha256 as sha2::Digest>::digest(contents("big", version, 0..20 * MIB)).iter().map(|b| format!("{b:02x}")).collect();
    let expected = format!(
        "['dir/blocks & more ü.bin', 'dir/sub/x', 'y'] ['dir/', 'y']\nBlobAlreadyExists\nContainerAlreadyExists\nBlobNotFound\nStorageErrorCode.CONDITION_NOT_MET\n['copy', 'dir/blocks & more ü.bin']\n{sum}"
    );
    assert_eq!(said, expected);
    assert_eq!(server.unfinished(), 0);
}

#[test]
fn amazons_client_finds_s3() {
    let server = BlobServer::start(BlobOptions::default()).unwrap();
    server.put_synthetic("made", "n/1", 10);
    let program = "
import boto3, io, sys
from botocore.exceptions import ClientError
from boto3.s3.transfer import TransferConfig
s3 = boto3.client('s3', endpoint_url=sys.argv[1], aws_access_key_id='a', aws_secret_access_key='b', region_name='us-east-1')
s3.create_bucket(Bucket='box')
data = bytes(range(256)) * 50000
s3.upload_fileobj(io.BytesIO(data), 'box', 'dir/parts ü+&', Config=TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20))
s3.put_object(Bucket='box', Key='small', Body=b'small', Metadata={'colour': 'ochre'})
assert s3.get_object(Bucket='box', Key='dir/parts ü+&')['Body'].read() == data
assert s3.get_object(Bucket='box', Key='dir/parts ü+&', Range='bytes=10-19')['Body'].read() == data[10:20]
print(s3.head_object(Bucket='box', Key='small')['Metadata'])
page = s3.list_objects_v2(Bucket='box', Delimiter='/')
print([c['Key'] for c in page['Contents']], [p['Prefix'] for p in page['CommonPrefixes']])
for act in (lambda: s3.put_object(Bucket='box', Key='small', Body=b'x', IfNoneMatch='*'), lambda: s3.get_object(Bucket='box', Key='none')):
    try: act(); print('no error')
    except ClientError as e: print(e.response['Error']['Code'])
s3.copy_object(Bucket='box', Key='copy', CopySource='box/small')
s3.delete_objects(Bucket='box', Delete={'Objects': [{'Key': 'small'}]})
print([o.get('Key') for p in s3.get_paginator('list_objects_v2').paginate(Bucket='box', PaginationConfig={'PageSize': 1}) for o in p['Contents']])
print([o.get('Key') for p in s3.get_paginator('list_objects').paginate(Bucket='box', PaginationConfig={'PageSize': 1}) for o in p['Contents']])
";
    let said = client(program, &[&server.url()]);
    let expected = "{'colour': 'ochre'}\n['small'] ['dir/']\nPreconditionFailed\nNoSuchKey\n['copy', 'dir/parts ü+&']\n['copy', 'dir/parts ü+&']";
    assert_eq!(said, expected);
}

#[test]
fn rclone_reads_and_writes_both() {
    let server = BlobServer::start(BlobOptions::default()).unwrap();
    server.create_container("box");
    let version = server.put_synthetic("box", "made", 9 * MIB);
    let directory = tempfile::tempdir().unwrap();
    let (here, back) = (directory.path().join("here"), directory.path().join("back"));
    std::fs::write(&here, contents("local", 0, 0..12 * MIB)).unwrap();
    let rclone = |arguments: &[&str]| {
        let mut command = Command::new(python_script("rclone").unwrap());
        command.args(["--config", "/dev/null"]).args(arguments);
        command.env("RCLONE_CONFIG_AZ_TYPE", "azureblob").env("RCLONE_CONFIG_AZ_ACCOUNT", BlobServer::ACCOUNT).env("RCLONE_CONFIG_AZ_KEY", BlobServer::KEY).env("RCLONE_CONFIG_AZ_ENDPOINT", server.azure_endpoint());
        command.env("RCLONE_CONFIG_S3_TYPE", "s3").env("RCLONE_CONFIG_S3_PROVIDER", "Other").env("RCLONE_CONFIG_S3_ENDPOINT", server.url()).env("RCLONE_CONFIG_S3_ACCESS_KEY_ID", "a").env("RCLONE_CONFIG_S3_SECRET_ACCESS_KEY", "b");
        run(&mut command)
    };
    for remote in ["az", "s3"] {
        rclone(&["copyto", here.to_str().unwrap(), &format!("{remote}:box/{remote}/up")]);
        assert_eq!(server.get("box", &format!("{remote}/up")).unwrap(), contents("local", 0, 0..12 * MIB));
        rclone(&["copyto", &format!("{remote}:box/made"), back.to_str().unwrap()]);
        assert!(std::fs::read(&back).unwrap() == contents("made", version, 0..9 * MIB));
        assert_eq!(rclone(&["lsf", "-R", "--files-only", &format!("{remote}:box/{remote}")]), "up");
    }
}

#[test]
fn faults_are_what_they_say() {
    let one = |kind, extra: &dyn Fn(Faults) -> Faults| {
        let server = with(extra(Faults { seed: 7, rate: 1.0, kinds: vec![kind], ..Faults::default() }));
        let version = server.put_synthetic("c", "b", 100_000);
        let started = Instant::now();
        let answer = ask(&server, "GET /c/b HTTP/1.1");
        (answer, contents("b", version, 0..100_000), started.elapsed(), server)
    };
    let plain = |f: Faults| f;
    let (answer, _, _, server) = one(Fault::Unavailable, &|f| Faults { retry_after: 3, ..f });
    assert_eq!(status(&answer), "503");
    assert!(String::from_utf8_lossy(&answer).contains("Retry-After: 3\r\n"));
    assert_eq!(server.exchanges()[0].fault, Some("unavailable"));
    for kind in [Fault::Reset, Fault::Cut] {
        let (answer, whole, _, _) = one(kind, &plain);
        assert!(body(&answer).len() < whole.len() && whole.starts_with(body(&answer)), "{kind:?} {}", body(&answer).len());
        assert!(String::from_utf8_lossy(&answer).contains("Content-Length: 100000\r\n"), "{kind:?}");
    }
    let (answer, whole, _, _) = one(Fault::Changed, &plain);
    assert_eq!(body(&answer).iter().zip(&whole).filter(|(a, b)| a != b).count(), 1);
    let (answer, whole, took, _) = one(Fault::Stall, &|f| Faults { stall: Duration::from_millis(300), ..f });
    assert!(body(&answer) == whole && took >= Duration::from_millis(300), "{took:?}");
    let (answer, whole, _, server) = one(Fault::NewVersion, &plain);
    assert!(body(&answer) != whole && body(&answer) == contents("b", server.version("c", "b").unwrap(), 0..100_000));
    let (answer, _, _, server) = one(Fault::Lost, &plain);
    assert!(answer.is_empty() && server.exchanges().len() == 1);
}

#[test]
fn a_write_whose_answer_is_lost_was_carried_out_and_one_that_was_refused_was_not() {
    for (kind, there) in [(Fault::Lost, true), (Fault::Unavailable, false)] {
        let server = with(Faults { rate: 1.0, kinds: vec![kind], ..Faults::default() });
        server.create_container("c");
        ask(&server, "PUT /c/new HTTP/1.1\r\nContent-Length: 0");
        assert_eq!(server.get("c", "new").is_some(), there, "{kind:?}");
    }
}

#[test]
fn the_same_seed_has_the_same_faults_and_whoever_repeats_gets_through() {
    let faults = |seed| Faults { seed, rate: 0.5, kinds: vec![Fault::Unavailable, Fault::Lost], ..Faults::default() };
    let met = |seed, backwards: bool| {
        let server = with(faults(seed));
        for n in 0..40 {
            server.put_synthetic("c", &format!("b{n:02}"), 10);
        }
        let mut order: Vec<u32> = (0..40).collect();
        if backwards {
            order.reverse();
        }
        let mut met: Vec<(String, Option<&str>)> = Vec::new();
        for n in order {
            let tries = (0..4).position(|_| status(&ask(&server, &format!("GET /c/b{n:02} HTTP/1.1"))) == "200");
            assert!(tries.is_some_and(|t| t <= 2), "{n}: {tries:?}");
        }
        met.extend(server.exchanges().iter().map(|e| (e.request.path.clone(), e.fault)));
        met.sort();
        met
    };
    assert_eq!(met(1, false), met(1, true));
    assert_ne!(met(1, false), met(2, false));
}

#[test]
fn each_connection_has_its_cap_and_each_answer_its_latency() {
    let options = BlobOptions { connection_rate: Some(20_000_000), latency: Duration::from_millis(50), ..BlobOptions::default() };
    let server = BlobServer::start(options).unwrap();
    server.put_synthetic("c", "b", 4_000_000);
    let started = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| assert_eq!(body(&ask(&server, "GET /c/b HTTP/1.1")).len(), 4_000_000));
        }
    });
    // 200 ms of sending and 50 of waiting, for all three at once; slower when the machine is busy, never faster.
    assert!(started.elapsed() >= Duration::from_millis(245), "{:?}", started.elapsed());
    assert_eq!(server.connections().1, 3);
}

#[test]
fn only_what_is_accepted_opens() {
    let server = BlobServer::start(BlobOptions { accept: Some(vec!["good-token".into()]), ..BlobOptions::default() }).unwrap();
    server.put("c", "b", "x");
    let path = format!("/{}/c/b", BlobServer::ACCOUNT);
    assert_eq!(status(&ask(&server, &format!("GET {path} HTTP/1.1\r\nAuthorization: Bearer good-token"))), "200");
    assert_eq!(status(&ask(&server, &format!("GET {path} HTTP/1.1\r\nAuthorization: Bearer old-token"))), "401");
    assert_eq!(status(&ask(&server, &format!("GET {path}?sig=good-token HTTP/1.1"))), "200");
    assert_eq!(status(&ask(&server, &format!("GET {path}?sig=other HTTP/1.1"))), "403");
}
