//! `ochre-serve`: the blob server or the identity server as a process of its own, for measurements and for trying things by hand.
//! Prints `ready URL` and serves until its standard input ends, so that it goes with whoever started it.
#![forbid(unsafe_code)]
use ochre_servers::{BlobOptions, BlobServer, Fault, Faults, Identity, IdentityOptions};
use std::io::Read;
use std::process::ExitCode;
use std::time::Duration;

const USAGE: &str = "\
usage: ochre-serve blobs [OPTION=VALUE …] | ochre-serve identity

  latency=MS  rate=MB_PER_S (each connection)  slow-start=MS
  faults=PART_OF_REQUESTS  seed=N  kinds=reset,cut,…  retry-after=S
  blob=CONTAINER/NAME:BYTES            one computed blob
  many=CONTAINER/PREFIX:COUNT:BYTES    PREFIX000000, PREFIX000001, …";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (command, rest) = arguments.split_first().map_or(("", &[][..]), |(c, r)| (c.as_str(), r));
    let served = match command {
        "blobs" => blobs(rest),
        "identity" => identity(),
        _ => Err(USAGE.to_string()),
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ochre-serve: {error}");
            ExitCode::FAILURE
        }
    }
}

fn blobs(arguments: &[String]) -> Result<(), String> {
    let mut options = BlobOptions::default();
    let mut contents = Vec::new();
    for argument in arguments {
        let (name, value) = argument.split_once('=').ok_or_else(|| format!("`{argument}` is no OPTION=VALUE\n{USAGE}"))?;
        let bad = || format!("`{value}` is no value for {name}\n{USAGE}");
        let number = || value.parse::<u64>().map_err(|_| bad());
        match name {
            "latency" => options.latency = Duration::from_secs_f64(value.parse::<f64>().map_err(|_| bad())? / 1000.0),
            "rate" => options.connection_rate = Some(number()? * 1_000_000),
            "slow-start" => options.slow_start = Duration::from_millis(number()?),
            "faults" => options.faults.rate = value.parse().map_err(|_| bad())?,
            "seed" => options.faults.seed = number()?,
            "retry-after" => options.faults.retry_after = number()?,
            "kinds" => options.faults = Faults { kinds: value.split(',').map(|k| Fault::named(k).ok_or_else(bad)).collect::<Result<_, _>>()?, ..options.faults },
            "blob" | "many" => contents.push(value.to_string()),
            _ => return Err(format!("there is no option `{name}`\n{USAGE}")),
        }
    }
    let server = BlobServer::start(options).map_err(|e| e.to_string())?;
    contents.iter().try_for_each(|content| add(&server, content).ok_or_else(|| format!("`{content}` says no blobs\n{USAGE}")))?;
    serve(&server.url());
    Ok(())
}

/// `CONTAINER/NAME:BYTES` or `CONTAINER/PREFIX:COUNT:BYTES`.
fn add(server: &BlobServer, content: &str) -> Option<()> {
    let mut parts = content.split(':');
    let (container, name) = parts.next()?.split_once('/')?;
    let numbers: Vec<u64> = parts.map(|p| p.parse().ok()).collect::<Option<_>>()?;
    match numbers[..] {
        [size] => {
            server.put_synthetic(container, name, size);
        }
        [count, size] => {
            for n in 0..count {
                server.put_synthetic(container, &format!("{name}{n:06}"), size);
            }
        }
        _ => return None,
    }
    Some(())
}

fn identity() -> Result<(), String> {
    let server = Identity::start(IdentityOptions::default()).map_err(|e| e.to_string())?;
    serve(&server.url());
    Ok(())
}

fn serve(url: &str) {
    println!("ready {url}");
    let mut ignored = Vec::new();
    // Whatever ends the input ends us.
    let _ = std::io::stdin().read_to_end(&mut ignored);
}
