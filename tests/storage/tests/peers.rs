//! What Ochre writes is read by the clients that people use, and the other way round: azure-storage-blob, boto3, rclone, s3fs and py-polars, against
//! the real emulators.
use bytes::Bytes;
use ochre_blobs::{Container, Credential, FixedGrant, Grant, Location, Mode, Progress, ReadOptions, WriteOptions};
use ochre_servers::{Azurite, Child, Moto, contents, python, python_script, storage_program};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// More than one part of any client.
const LARGE: u64 = 20 * 1024 * 1024 + 17;

fn sum(bytes: &[u8]) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

fn run(command: &mut Command) -> String {
    let output = command.env("PYTHONDONTWRITEBYTECODE", "1").output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}\n{out}{err}");
    out.trim().to_string()
}

fn client(program: &str, arguments: &[&str]) -> String {
    run(Command::new(python().unwrap()).args(["-c", program]).args(arguments))
}

fn azure(azurite: &Azurite) -> Grant {
    Grant { account: Some(Azurite::ACCOUNT.into()), endpoint: Some(azurite.endpoint()), ..Grant::new(Credential::AzureKey(Azurite::KEY.to_string().into())) }
}

fn amazon(moto: &Moto) -> Grant {
    let credential = Credential::AwsKeys { id: Moto::KEY_ID.to_string().into(), key: Moto::KEY.to_string().into(), token: None };
    Grant { endpoint: Some(moto.endpoint().into()), region: Some(Moto::REGION.into()), ..Grant::new(credential) }
}

async fn open(url: &str, grant: Grant) -> Container {
    Container::open(&Location::parse(url).unwrap(), Arc::new(FixedGrant(grant))).await.unwrap()
}

/// Writes by every way that we have, and gives what was written.
async fn write_all(container: &Container, scratch: &Path) -> Vec<(String, Bytes)> {
    let small = Bytes::from_static(b"Gr\xc3\xbc\xc3\x9fe");
    let large = contents("large", 0, 0..LARGE);
    container.write("dir/small ü.txt", small.clone(), Mode::Create).await.unwrap();
    let mut writer = container.writer("dir/streamed.bin", WriteOptions::default()).await.unwrap();
    for piece in large.chunks(3_000_000) {
        writer.write(Bytes::copy_from_slice(piece)).await.unwrap();
    }
    writer.finish().await.unwrap();
    let file = scratch.join("upload");
    std::fs::write(&file, &large).unwrap();
    container.upload(&file, "dir/uploaded.bin", Progress::none(), Mode::Create).await.unwrap();
    container.copy("dir/small ü.txt", "copied", Mode::Create).await.unwrap();
    vec![("copied".into(), small.clone()), ("dir/small ü.txt".into(), small), ("dir/streamed.bin".into(), large.clone()), ("dir/uploaded.bin".into(), large)]
}

/// Reads by every way that we have.
async fn read_all(container: &Container, path: &str, expected: &[u8], scratch: &Path) {
    assert!(container.read(path).await.unwrap() == expected, "{path}");
    let middle = expected.len() as u64 / 2;
    assert!(container.read_range(path, middle..middle + 2).await.unwrap() == expected[middle as usize..middle as usize + 2]);
    let reader = container.reader(path, ReadOptions::default()).await.unwrap();
    assert_eq!(reader.meta().size, expected.len() as u64);
    assert!(reader.read_at(1, expected.len()).await.unwrap() == expected[1..], "{path}");
    let file = scratch.join("download");
    container.download(path, &file, Progress::none()).await.unwrap();
    assert!(std::fs::read(&file).unwrap() == expected, "{path}");
    std::fs::remove_file(file).unwrap();
}

/// `name sum` of each, in order.
fn sums(written: &[(String, Bytes)]) -> String {
    written.iter().map(|(name, bytes)| format!("{name} {}", sum(bytes))).collect::<Vec<_>>().join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn azure_storage_blob_and_rclone_read_what_we_wrote_and_write_what_we_read() {
    let azurite = Azurite::start().unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let container = open(&format!("az://box@{}", Azurite::ACCOUNT), azure(&azurite)).await;
    container.create().await.unwrap();
    let written = write_all(&container, scratch.path()).await;
    let read = "
import hashlib, sys
from azure.storage.blob import BlobServiceClient
container = BlobServiceClient.from_connection_string(sys.argv[1]).get_container_client('box')
for blob in container.list_blobs(): print(blob.name, hashlib.sha256(container.download_blob(blob.name).readall()).hexdigest())
";
    assert_eq!(client(read, &[&azurite.connection_string()]), sums(&written));
    let rclone = |arguments: &[&str]| {
        let mut command = Command::new(python_script("rclone").unwrap());
        command.args(["--config", "/dev/null"]).args(arguments).env("RCLONE_CONFIG_AZ_TYPE", "azureblob").env("RCLONE_CONFIG_AZ_ACCOUNT", Azurite::ACCOUNT);
        run(command.env("RCLONE_CONFIG_AZ_KEY", Azurite::KEY).env("RCLONE_CONFIG_AZ_ENDPOINT", azurite.endpoint()))
    };
    let back = scratch.path().join("back");
    rclone(&["copyto", "az:box/dir/uploaded.bin", back.to_str().unwrap()]);
    assert!(std::fs::read(&back).unwrap() == written[3].1);

    let large = contents("theirs", 0, 0..LARGE);
    let file = scratch.path().join("theirs");
    std::fs::write(&file, &large).unwrap();
    let write = "
import sys
from azure.storage.blob import BlobServiceClient
service = BlobServiceClient.from_connection_string(sys.argv[1], max_block_size=4 << 20, max_single_put_size=4 << 20)
service.get_container_client('box').upload_blob('theirs/blocks.bin', open(sys.argv[2], 'rb'))
";
    client(write, &[&azurite.connection_string(), file.to_str().unwrap()]);
    rclone(&["copyto", file.to_str().unwrap(), "az:box/theirs/rclone.bin"]);
    for name in ["theirs/blocks.bin", "theirs/rclone.bin"] {
        read_all(&container, name, &large, scratch.path()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn boto_reads_what_we_wrote_and_writes_what_we_read() {
    let moto = Moto::start().unwrap();
    moto.create_bucket("box").unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let container = open("s3://box", amazon(&moto)).await;
    let written = write_all(&container, scratch.path()).await;
    let program = "
import boto3, hashlib, sys
s3 = boto3.client('s3', endpoint_url=sys.argv[1], aws_access_key_id=sys.argv[2], aws_secret_access_key=sys.argv[3], region_name=sys.argv[4])
for o in s3.list_objects_v2(Bucket='box')['Contents']: print(o['Key'], hashlib.sha256(s3.get_object(Bucket='box', Key=o['Key'])['Body'].read()).hexdigest())
s3.upload_file(sys.argv[5], 'box', 'theirs/parts.bin')
";
    let large = contents("theirs", 0, 0..LARGE);
    let file = scratch.path().join("theirs");
    std::fs::write(&file, &large).unwrap();
    assert_eq!(client(program, &[moto.endpoint(), Moto::KEY_ID, Moto::KEY, Moto::REGION, file.to_str().unwrap()]), sums(&written));
    read_all(&container, "theirs/parts.bin", &large, scratch.path()).await;
}

/// A directory that s3fs mounts, until it is dropped.
struct S3fs(Child, std::path::PathBuf);

impl S3fs {
    fn mount(moto: &Moto, directory: &Path) -> Self {
        use std::os::unix::fs::PermissionsExt;
        let program = storage_program("s3fs").unwrap();
        std::fs::create_dir_all(directory).unwrap();
        let mut child = Child::start("s3fs", |scratch| {
            let passwords = scratch.join("passwords");
            std::fs::write(&passwords, format!("{}:{}\n", Moto::KEY_ID, Moto::KEY)).unwrap();
            std::fs::set_permissions(&passwords, std::fs::Permissions::from_mode(0o600)).unwrap();
            let mut command = Command::new(program);
            command.arg("box").arg(directory).args(["-f", "-o", "use_path_request_style", "-o", &format!("url={}", moto.endpoint()), "-o", &format!("passwd_file={}", passwords.display())]);
            command
        })
        .unwrap();
        let name = directory.to_string_lossy().into_owned();
        child.wait_for(|_| std::fs::read_to_string("/proc/self/mounts").ok()?.contains(&format!(" {name} ")).then_some(())).unwrap();
        Self(child, directory.to_path_buf())
    }
}

impl Drop for S3fs {
    fn drop(&mut self) {
        let _ = Command::new("fusermount3").arg("-uz").arg(&self.1).status();
        self.0.kill();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s3fs_reads_what_we_wrote_and_writes_what_we_read() {
    let moto = Moto::start().unwrap();
    moto.create_bucket("box").unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let container = open("s3://box", amazon(&moto)).await;
    let written = write_all(&container, scratch.path()).await;
    let directory = scratch.path().join("mnt");
    let mounted = S3fs::mount(&moto, &directory);
    for (name, bytes) in &written {
        assert!(std::fs::read(directory.join(name)).unwrap() == *bytes, "{name}\n{}", mounted.0.log());
    }
    let large = contents("theirs", 0, 0..LARGE);
    std::fs::write(directory.join("dir/theirs.bin"), &large).unwrap();
    // s3fs sends when it flushes; the object may be a moment later than the close.
    let started = Instant::now();
    let mut last = container.stat("dir/theirs.bin").await;
    while !last.as_ref().is_ok_and(|m| m.size == LARGE) {
        assert!(started.elapsed() < Duration::from_secs(30), "{last:?}\n{}", mounted.0.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
        last = container.stat("dir/theirs.bin").await;
    }
    read_all(&container, "dir/theirs.bin", &large, scratch.path()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn py_polars_reads_what_we_moved_and_we_move_what_it_wrote() {
    let azurite = Azurite::start().unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let container = open(&format!("az://box@{}", Azurite::ACCOUNT), azure(&azurite)).await;
    container.create().await.unwrap();
    let program = "
import sys
import polars as pl
options = dict(account_name=sys.argv[1], account_key=sys.argv[2], endpoint=sys.argv[3], allow_http='true')
frame = pl.DataFrame(dict(n=range(200_000), text=[f'row {n} ü' for n in range(200_000)]))
if sys.argv[4] == 'write': frame.write_parquet('az://box/theirs.parquet', storage_options=options)
else:
    back = pl.scan_parquet('az://box/year=*/part.parquet', storage_options=options, hive_partitioning=True).collect()
    assert back.drop('year').equals(frame), back
    print(back.shape, back['year'].unique().to_list())
";
    let endpoint = azurite.endpoint();
    let of = |what: &str| client(program, &[Azurite::ACCOUNT, Azurite::KEY, &endpoint, what]);
    of("write");
    let file = scratch.path().join("theirs.parquet");
    let meta = container.download("theirs.parquet", &file, Progress::none()).await.unwrap();
    let bytes = std::fs::read(&file).unwrap();
    assert!(meta.size == bytes.len() as u64 && bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"));
    container.upload(&file, "year=2026/part.parquet", Progress::none(), Mode::Create).await.unwrap();
    assert_eq!(of("read"), "(200000, 3) [2026]");
}
