//! Storage by code, in real cells, against real servers: Azurite, moto, and the blob server of the tests for Google's
//! XML API (which no emulator has). py-polars reads what cells sink and writes what cells scan. Credentials come from a
//! service of the test's own; the kernel's is tested where it lives.
//!
//! - "Scans and sinks of URLs have the credentials of the kernel, and no key is in the environment."
//! - "Storage calls of a cell can be interrupted, and work in async code."
//! - "While `%recover` replays, cells change nothing in storage, and say so."
//! - "A blob that a cell writes is seen whole or not at all."
mod support;

use ochre_api::{Failure, Service, async_trait};
use ochre_blobs::{Container, Credential, FixedGrant, Grant, Location, StorageRequest};
use ochre_servers::{Azurite, BlobOptions, BlobServer, Moto};
use ochre_session::Exchange;
use ochre_session::engine::{Context, Engine, Outcome};
use ochre_session::front::Output;
use ochre_session::ochre_engine::{EngineParts, OchreEngine};
use std::collections::HashMap;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Grants by container, as the kernel's storage service gives them.
#[derive(Default)]
struct Accounts {
    grants: Mutex<HashMap<String, Grant>>,
    /// What was asked, in order.
    asked: Mutex<Vec<String>>,
}

#[async_trait]
impl Service for Accounts {
    fn topic(&self) -> &'static str {
        ochre_blobs::STORAGE
    }
    async fn answer(&self, payload: &[u8]) -> Result<Vec<u8>, Failure> {
        match StorageRequest::from_wire(payload).map_err(|e| Failure::bug(e.to_string()))? {
            StorageRequest::Grant { url, .. } => {
                self.asked.lock().unwrap().push(url.clone());
                let grant = self.grants.lock().unwrap().get(&url).map(Grant::to_wire);
                grant.ok_or_else(|| Failure::configuration(format!("there is no credential for {url}")).hint("name one with `%credential`"))
            }
            StorageRequest::Resolve { url } => Ok(url.replace("azureml://datastores/main/paths", "az://data@devstoreaccount1").into_bytes()),
            _ => Err(Failure::bug("a request that this test does not know")),
        }
    }
}

struct Bench {
    engine: OchreEngine,
    accounts: Arc<Accounts>,
    count: u32,
}

impl Bench {
    fn new(grants: Vec<(&str, Grant)>) -> Self {
        let accounts = Arc::new(Accounts::default());
        accounts.grants.lock().unwrap().extend(grants.into_iter().map(|(url, grant)| (url.to_owned(), grant)));
        let exchange = Exchange::new(vec![accounts.clone()], &[]).expect("one service");
        Self { engine: OchreEngine::new(EngineParts { exchange, ..support::parts() }), accounts, count: 0 }
    }

    /// Runs a cell: what it printed and its value, or its error with the whole text.
    async fn run_and(&mut self, code: &str, mut when: impl FnMut(&str, &dyn ochre_session::engine::Controls)) -> Result<String, String> {
        self.count += 1;
        let (output, mut outputs) = mpsc::channel(64);
        let context = Context { output, allow_stdin: false, count: self.count, silent: false };
        let controls = self.engine.controls();
        let mut text = String::new();
        let outcome = {
            let execution = support::bounded(code, self.engine.execute(code, &context));
            tokio::pin!(execution);
            loop {
                tokio::select! {
                    outcome = &mut execution => break outcome,
                    Some(one) = outputs.recv() => if let Output::Stream { text: more, .. } = one {
                        text.push_str(&more);
                        when(&text, &*controls);
                    }
                }
            }
        };
        while let Ok(one) = outputs.try_recv() {
            if let Output::Stream { text: more, .. } = one {
                text.push_str(&more);
            }
        }
        match outcome {
            Outcome::Ok(value) => Ok(support::clean(&text) + value.as_ref().and_then(|v| v.text()).unwrap_or_default()),
            Outcome::Error(report) => Err(support::clean(&report.traceback.join("\n"))),
        }
    }

    async fn fails(&mut self, code: &str) -> String {
        match self.run_and(code, |_, _| ()).await {
            Ok(text) => panic!("this was to fail:\n{code}\n{text}"),
            Err(error) => error,
        }
    }

    async fn run(&mut self, code: &str) -> String {
        self.run_and(code, |_, _| ()).await.unwrap_or_else(|error| panic!("{code}\n{error}"))
    }
}

fn azure(server: &Azurite) -> Grant {
    Grant { endpoint: Some(server.endpoint()), ..Grant::new(Credential::AzureKey(Azurite::KEY.into())) }
}

fn aws(server: &Moto) -> Grant {
    let credential = Credential::AwsKeys { id: Moto::KEY_ID.into(), key: Moto::KEY.into(), token: None };
    Grant { endpoint: Some(server.endpoint().into()), region: Some(Moto::REGION.into()), ..Grant::new(credential) }
}

fn google(server: &BlobServer) -> Grant {
    Grant { endpoint: Some(server.url()), ..Grant::new(Credential::GcsToken("a-token".into())) }
}

async fn make(url: &str, grant: &Grant) {
    let container = Container::open(&Location::parse(url).unwrap(), Arc::new(FixedGrant(grant.clone()))).await.unwrap();
    container.create().await.unwrap();
}

/// An Azurite with the container `data`, and a session that may use it.
async fn azurite() -> (Azurite, Bench) {
    let server = Azurite::start().unwrap();
    let url = "az://data@devstoreaccount1/";
    make(url, &azure(&server)).await;
    let bench = Bench::new(vec![(url, azure(&server))]);
    (server, bench)
}

/// All of a store's calls on one URL.
async fn store_by_code(bench: &mut Bench, url: &str) {
    bench.run(&format!("let store = ochre::store(\"{url}/things\"); let root = ochre::store(\"{url}\");")).await;
    bench.run("store.write(\"hello.txt\", \"hello\")?; store.write(\"deep/er/bytes.bin\", vec![7u8; 3_000_000])?; root.write(\"outside\", b\"x\")?;").await;
    assert_eq!(bench.run("store.read_text(\"hello.txt\")?").await, "\"hello\"");
    assert_eq!(bench.run("let all = store.read(\"deep/er/bytes.bin\")?; (all.len(), all.iter().all(|b| *b == 7), store.read_range(\"hello.txt\", 1..3)?)").await, "(3000000, true, [101, 108])");
    assert_eq!(bench.run("store.list(\"\")?.iter().map(|b| format!(\"{} {}\", b.path, b.size)).collect::<Vec<_>>()").await, "[\"deep/er/bytes.bin 3000000\", \"hello.txt 5\"]");
    assert_eq!(bench.run("let below: Vec<String> = store.list(\"deep\")?.into_iter().map(|b| b.path).collect(); below").await, "[\"deep/er/bytes.bin\"]");
    let shown = bench.run("store.frame(\"\")?").await;
    for part in ["2 rows × 3 columns", "deep/", "hello.txt", "size", "time"] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    assert!(bench.run("store.list_folder(\"\")?").await.contains("hello.txt"), "a listing is shown as a table");
    assert_eq!(bench.run("(store.exists(\"hello.txt\")?, store.exists(\"nothing\")?, store.stat(\"hello.txt\")?.size, store.at(\"deep\").read(\"er/bytes.bin\")?.len())").await, "(true, false, 5, 3000000)");

    // As files.
    let code = "use std::io::{BufRead, Read, Seek, SeekFrom, Write};
let mut out = store.create(\"lines.txt\")?;
for n in 0..200_000 { writeln!(out, \"line {n}\")?; }
let before = store.exists(\"lines.txt\")?;
let size = out.finish()?;
let mut file = store.open(\"lines.txt\")?;
let lines = file.by_ref().lines().count();
file.seek(SeekFrom::End(-7))?;
let mut last = String::new();
file.read_to_string(&mut last)?;
(before, size == file.size(), lines, last.trim().to_owned())";
    assert_eq!(bench.run(code).await, "(false, true, 200000, \"199999\")");
    assert_eq!(bench.run("let mut half = store.create(\"half\")?; half.write_all(&vec![0; 9_000_000])?; drop(half); store.exists(\"half\")?").await, "false");
    assert_eq!(bench.run("let path = store.local(\"hello.txt\")?; (std::fs::read_to_string(&path)?, store.local(\"hello.txt\")? == path, path.ends_with(\"hello.txt\"))").await, "(\"hello\", true, true)");
    assert_eq!(bench.run("store.write(\"hello.txt\", \"changed\")?; let now = store.local(\"hello.txt\")?; (std::fs::read_to_string(&now)?, now == path)").await, "(\"changed\", false)");
    assert_eq!(bench.run("store.copy(\"hello.txt\", \"copy.txt\")?; store.delete(\"hello.txt\")?; (store.exists(\"hello.txt\")?, store.read_text(\"copy.txt\")?)").await, "(false, \"changed\")");
    assert_eq!(bench.run("store.write_new(\"copy.txt\", \"again\").unwrap_err().is_exists()").await, "true");
    // polars' own readers take an open blob.
    bench.run("let mut small = df!(\"a\" => [1, 2, 3])?; let mut bytes = Vec::new(); ParquetWriter::new(&mut bytes).finish(&mut small)?; store.write(\"small.parquet\", &bytes)?;").await;
    assert_eq!(bench.run("ParquetReader::new(store.open(\"small.parquet\")?).finish()?.column(\"a\")?.i32()?.sum()").await, "Some(6)");
}

/// Scans and sinks in all formats on one URL.
async fn polars_by_url(bench: &mut Bench, url: &str) {
    bench.run(&format!("let base = \"{url}/tables\"; let table = df!(\"n\" => (0..1000i64).collect::<Vec<_>>(), \"name\" => (0..1000).map(|n| format!(\"row {{n}}\")).collect::<Vec<_>>())?;")).await;
    bench.run("table.clone().lazy().sink_parquet(&format!(\"{base}/a.parquet\"))?; table.write_parquet(&format!(\"{base}/b.parquet\"))?;").await;
    let sum = "select([col(\"n\").sum()]).collect()?.column(\"n\")?.i64()?.get(0)";
    assert_eq!(bench.run(&format!("LazyFrame::scan_parquet(format!(\"{{base}}/*.parquet\").as_str().into(), ScanArgsParquet::default())?.{sum}")).await, "Some(999000)");
    assert_eq!(bench.run(&format!("let paths = vec![PlRefPath::new(format!(\"{{base}}/a.parquet\")), PlRefPath::new(format!(\"{{base}}/b.parquet\"))]; LazyFrame::scan_parquet_files(paths.into(), Default::default())?.{sum}")).await, "Some(999000)");
    bench.run("table.write_csv(&format!(\"{base}/a.csv\"))?; table.write_ipc(&format!(\"{base}/a.arrow\"))?; table.clone().lazy().sink_ndjson(&format!(\"{base}/a.jsonl\"))?;").await;
    assert_eq!(bench.run(&format!("LazyCsvReader::new(format!(\"{{base}}/a.csv\").as_str().into()).with_has_header(true).finish()?.{sum}")).await, "Some(499500)");
    assert_eq!(bench.run(&format!("LazyFrame::scan_ipc(format!(\"{{base}}/a.arrow\").as_str().into(), Default::default(), Default::default())?.{sum}")).await, "Some(499500)");
    assert_eq!(bench.run(&format!("LazyJsonLineReader::new(format!(\"{{base}}/a.jsonl\").as_str().into()).finish()?.{sum}")).await, "Some(499500)");
    // In a function of the user's, in a macro, and in polars' own long form.
    bench.run("fn read(path: &str) -> PolarsResult<DataFrame> { LazyFrame::scan_parquet(path.into(), Default::default())?.filter(col(\"n\").lt(lit(3))).collect() }").await;
    assert_eq!(bench.run("read(&format!(\"{base}/a.parquet\"))?.height() + vec![polars::prelude::LazyFrame::scan_parquet(format!(\"{base}/b.parquet\").as_str().into(), Default::default())?.collect()?][0].height()").await, "1003");
    let sink = "table.clone().lazy().sink(SinkDestination::File { target: SinkTarget::Path(PlRefPath::new(format!(\"{base}/long.parquet\"))) }, FileWriteFormat::Parquet(Default::default()), UnifiedSinkArgs::default())?.collect()?;";
    bench.run(sink).await;
    assert_eq!(bench.run(&format!("let args = ScanArgsParquet {{ cloud_options: Some(ochre::cloud_options(base)), ..Default::default() }}; LazyFrame::scan_parquet(format!(\"{{base}}/long.parquet\").as_str().into(), args)?.{sum}")).await, "Some(499500)");
    assert_eq!(bench.run("std::env::vars().filter(|(_, v)| [\"Eby8vdM02xNO\", \"ochre/test/secret\", \"a-token\"].iter().any(|key| v.contains(key))).count()").await, "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn azure_by_code_and_by_polars() {
    let (_server, mut bench) = azurite().await;
    store_by_code(&mut bench, "az://data@devstoreaccount1").await;
    polars_by_url(&mut bench, "az://data@devstoreaccount1").await;
    let same = "ochre::store(\"azureml://datastores/main/paths/things\").read_text(\"copy.txt\")?";
    assert_eq!(bench.run(same).await, "\"changed\"");
    let shown = bench.run("LazyFrame::scan_parquet(\"azureml://datastores/main/paths/tables/a.parquet\".into(), Default::default())?.collect()?").await;
    assert!(shown.starts_with("1,000 rows") && shown.contains("row 999"), "{shown}");
    bench.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s3_by_code_and_by_polars() {
    let server = Moto::start().unwrap();
    server.create_bucket("bucket").unwrap();
    let mut bench = Bench::new(vec![("s3://bucket/", aws(&server))]);
    store_by_code(&mut bench, "s3://bucket").await;
    polars_by_url(&mut bench, "s3://bucket").await;
    bench.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn google_by_code_and_by_polars() {
    let server = BlobServer::start(BlobOptions::default()).unwrap();
    server.create_container("bucket");
    let mut bench = Bench::new(vec![("gs://bucket/", google(&server))]);
    store_by_code(&mut bench, "gs://bucket").await;
    polars_by_url(&mut bench, "gs://bucket").await;
    bench.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_need_no_credential() {
    let directory = tempfile::tempdir().unwrap();
    let mut bench = Bench::new(vec![]);
    let url = format!("file://{}", directory.path().display());
    bench.run(&format!("let store = ochre::store(\"{url}\"); store.write(\"a/b.txt\", \"hello\")?;")).await;
    assert_eq!(bench.run("(store.read_text(\"a/b.txt\")?, std::fs::read_to_string(store.local(\"a/b.txt\")?)?)").await, "(\"hello\", \"hello\")");
    let path = directory.path().join("t.parquet").display().to_string();
    assert_eq!(bench.run(&format!("df!(\"a\" => [1, 2])?.write_parquet(\"{path}\")?; LazyFrame::scan_parquet(\"{path}\".into(), Default::default())?.collect()?.height()")).await, "2");
    assert!(bench.accounts.asked.lock().unwrap().is_empty());
    bench.engine.shutdown().await;
}

/// py-polars on the same account, with the key in its own options.
fn python(script: &str, arguments: &[&str]) -> String {
    let output = Command::new(ochre_servers::python().unwrap()).arg("-c").arg(script).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

const PEER: &str = "
import sys, polars as pl
url, key, endpoint = sys.argv[1:4]
options = {'account_name': 'devstoreaccount1', 'account_key': key, 'endpoint': endpoint, 'allow_http': 'true'} if url.startswith('abfss') else {'aws_access_key_id': 'AKIAOCHRETESTKEY0001', 'aws_secret_access_key': key, 'endpoint_url': endpoint, 'aws_region': 'us-east-1'}
for (read, name) in [(pl.scan_parquet, 'cell.parquet'), (pl.scan_csv, 'cell.csv'), (pl.scan_ipc, 'cell.arrow'), (pl.scan_ndjson, 'cell.jsonl')]:
    frame = read(f'{url}/{name}', storage_options=options).collect()
    assert frame.shape == (500, 3) and frame['n'].sum() == 124750 and frame['word'][499] == 'w 499', (name, frame)
table = pl.DataFrame({'n': range(300), 'year': [2020 + n % 3 for n in range(300)], 'when': pl.datetime_range(pl.datetime(2020, 1, 1), pl.datetime(2020, 1, 1, 4, 59), '1m', eager=True)})
for year in (2020, 2021, 2022):
    table.filter(pl.col('year') == year).drop('year').write_parquet(f'{url}/hive/year={year}/part.parquet', storage_options=options)
table.write_csv(f'{url}/peer.csv', storage_options=options)
print('ok')
";

async fn exchange_with_python(bench: &mut Bench, url: &str, theirs: &str, key: &str, endpoint: &str) {
    bench.run(&format!("let base = \"{url}/peers\"; let table = df!(\"n\" => (0..500i64).collect::<Vec<_>>(), \"word\" => (0..500).map(|n| format!(\"w {{n}}\")).collect::<Vec<_>>(), \"x\" => (0..500).map(|n| n as f64 / 4.0).collect::<Vec<_>>())?;")).await;
    bench.run("table.clone().lazy().sink_parquet(&format!(\"{base}/cell.parquet\"))?; table.clone().lazy().sink_csv(&format!(\"{base}/cell.csv\"))?; table.clone().lazy().sink_ipc(&format!(\"{base}/cell.arrow\"))?; table.write_ndjson(&format!(\"{base}/cell.jsonl\"))?;").await;
    let theirs = format!("{theirs}/peers");
    let (key, endpoint) = (key.to_owned(), endpoint.to_owned());
    let said = tokio::task::spawn_blocking(move || python(PEER, &[&theirs, &key, &endpoint])).await.unwrap();
    assert_eq!(said, "ok");
    let code = "LazyFrame::scan_parquet(format!(\"{base}/hive/**/*.parquet\").as_str().into(), ScanArgsParquet { hive_options: HiveOptions { enabled: Some(true), ..Default::default() }, ..Default::default() })?.filter(col(\"year\").eq(lit(2021))).select([len(), col(\"n\").sum().alias(\"sum\")]).collect()?.column(\"sum\")?.i64()?.get(0)";
    assert_eq!(bench.run(code).await, "Some(14950)");
    assert_eq!(bench.run("LazyCsvReader::new(format!(\"{base}/peer.csv\").as_str().into()).finish()?.collect()?.shape()").await, "(300, 3)");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn py_polars_reads_what_cells_sink_and_writes_what_they_scan() {
    let (server, mut bench) = azurite().await;
    exchange_with_python(&mut bench, "az://data@devstoreaccount1", "abfss://data@devstoreaccount1.dfs.core.windows.net", Azurite::KEY, &server.endpoint()).await;
    let moto = Moto::start().unwrap();
    moto.create_bucket("bucket").unwrap();
    bench.accounts.grants.lock().unwrap().insert("s3://bucket/".into(), aws(&moto));
    exchange_with_python(&mut bench, "s3://bucket", "s3://bucket", Moto::KEY, moto.endpoint()).await;
    bench.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_say_what_happened_and_what_to_do() {
    let (server, mut bench) = azurite().await;
    let error = bench.fails("ochre::store(\"az://data@devstoreaccount1\").read(\"nothing.txt\")?").await;
    assert!(error.contains("az://data@devstoreaccount1/nothing.txt: it does not exist") && error.contains("hint: "), "{error}");
    let error = bench.fails("ochre::store(\"az://other@devstoreaccount1\").list(\"\")?").await;
    assert!(error.contains("there is no credential for az://other@devstoreaccount1/") && error.contains("hint: name one with `%credential`"), "{error}");
    let error = bench.fails("LazyFrame::scan_parquet(\"az://other@devstoreaccount1/x.parquet\".into(), Default::default())?.collect()?").await;
    assert!(error.contains("there is no credential for") && error.contains("`%credential`"), "{error}");
    let error = bench.fails("LazyCsvReader::new(\"az://other@devstoreaccount1/x.csv\".into()).finish()?.collect()?").await;
    assert!(error.contains("there is no credential for"), "{error}");
    let error = bench.fails("df!(\"a\" => [1])?.write_parquet(\"az://other@devstoreaccount1/x.parquet\")?").await;
    assert!(error.contains("there is no credential for"), "{error}");
    let error = bench.fails("ochre::store(\"az://data@devstoreaccount1/x?sig=abc\").read(\"y\")?").await;
    assert!(error.contains("signature") && !error.contains("sig=abc"), "{error}");
    let wrong = Grant { endpoint: Some(server.endpoint()), ..Grant::new(Credential::AzureKey("d3Jvbmcga2V5".into())) };
    bench.accounts.grants.lock().unwrap().insert("az://wrong@devstoreaccount1/".into(), wrong);
    let error = bench.fails("ochre::store(\"az://wrong@devstoreaccount1\").read(\"y\")?").await;
    assert!(error.contains("access is denied") && error.contains("`%credential"), "{error}");
    let scan = "LazyFrame::scan_parquet(\"az://wrong@devstoreaccount1/t.parquet\".into(), Default::default())?.collect()?.height()";
    bench.fails(scan).await;
    // What was refused works once it is granted, without a restart.
    make("az://wrong@devstoreaccount1/", &azure(&server)).await;
    bench.accounts.grants.lock().unwrap().insert("az://wrong@devstoreaccount1/".into(), azure(&server));
    bench.run("ochre::store(\"az://wrong@devstoreaccount1\").write(\"y\", \"it works\")?; df!(\"a\" => [1, 2])?.write_parquet(\"az://wrong@devstoreaccount1/t.parquet\")?;").await;
    assert_eq!(bench.run(scan).await, "2");
    bench.accounts.grants.lock().unwrap().insert("az://other@devstoreaccount1/".into(), azure(&server));
    make("az://other@devstoreaccount1/", &azure(&server)).await;
    bench.run("ochre::store(\"az://other@devstoreaccount1\").write(\"now.txt\", \"it works\")?;").await;
    bench.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupt_ends_a_read_of_a_server_that_does_not_answer() {
    let server = BlobServer::start(BlobOptions { latency: Duration::from_secs(600), ..BlobOptions::default() }).unwrap();
    server.create_container("data");
    let grant = Grant { endpoint: Some(server.azure_endpoint()), ..Grant::new(Credential::Anonymous) };
    let mut bench = Bench::new(vec![("az://data@devstoreaccount1/", grant)]);
    let mut asked = None;
    let code = "println!(\"ready\"); let store = ochre::store(\"az://data@devstoreaccount1\"); store.read(\"slow\")?; println!(\"not reached\");";
    let ended = bench
        .run_and(code, |text, controls| {
            if asked.is_none() && text.contains("ready") {
                asked = Some(Instant::now());
                controls.interrupt();
            }
        })
        .await;
    assert!(ended.as_ref().is_err_and(|e| e.starts_with("interrupted")), "{ended:?}");
    assert!(asked.unwrap().elapsed() < Duration::from_secs(10), "{:?}", asked.unwrap().elapsed());
    assert_eq!(bench.run("6 * 7").await, "42");
    bench.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn async_cells_may_use_it() {
    let (_server, mut bench) = azurite().await;
    bench.run("let store = ochre::store(\"az://data@devstoreaccount1\"); store.write(\"a\", \"hello\")?;").await;
    let code = "let other = store.clone(); let there = tokio::spawn(async move { other.read_text(\"a\").unwrap() }).await?; tokio::time::sleep(std::time::Duration::from_millis(1)).await; (there, store.read_text(\"a\")?)";
    assert_eq!(bench.run(code).await, "(\"hello\", \"hello\")");
    let code = "async fn rows(path: &str) -> PolarsResult<usize> { Ok(LazyFrame::scan_parquet(path.into(), Default::default())?.collect()?.height()) }\ndf!(\"a\" => [1, 2])?.write_parquet(\"az://data@devstoreaccount1/t.parquet\")?;\nrows(\"az://data@devstoreaccount1/t.parquet\").await?";
    assert_eq!(bench.run(code).await, "2");
    bench.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recovery_changes_nothing_in_storage() {
    let (server, mut bench) = azurite().await;
    bench.run("let store = ochre::store(\"az://data@devstoreaccount1\");").await;
    bench.run("let table = df!(\"a\" => [1, 2])?; store.write(\"log.txt\", \"first\")?; table.write_parquet(\"az://data@devstoreaccount1/t.parquet\")?;").await;
    let container = Container::open(&Location::parse("az://data@devstoreaccount1/").unwrap(), Arc::new(FixedGrant(azure(&server)))).await.unwrap();
    container.write("log.txt", "second".into(), ochre_blobs::Mode::Overwrite).await.unwrap();
    let before = container.stat("t.parquet").await.unwrap();
    assert!(bench.fails("std::process::abort();").await.contains("SIGABRT"));
    let (output, mut outputs) = mpsc::channel(1024);
    let context = Context { output, allow_stdin: false, count: 9, silent: false };
    let outcome = support::bounded("%recover", bench.engine.recover(false, &context)).await;
    assert!(matches!(outcome, Outcome::Ok(_)), "{outcome:?}");
    let mut said = String::new();
    while let Ok(one) = outputs.try_recv() {
        if let Output::Stream { text, .. } = one {
            said.push_str(&text);
        }
    }
    for part in ["storage is not changed: az://data@devstoreaccount1/log.txt", "storage is not changed: az://data@devstoreaccount1/t.parquet"] {
        assert!(said.contains(part), "{part} in {said}");
    }
    assert_eq!(bench.run("(table.height(), store.read_text(\"log.txt\")?)").await, "(2, \"second\")");
    assert_eq!(container.stat("t.parquet").await.unwrap(), before);
    bench.run("store.write(\"log.txt\", \"third\")?;").await;
    assert_eq!(bench.run("store.read_text(\"log.txt\")?").await, "\"third\"");
    bench.engine.shutdown().await;
}
