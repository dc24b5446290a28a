//! `--endpoint`: the address of a service that is not the public one. Plain http only to this very machine, because keys and data would be readable.
use ochre_api::Failure;
use url::{Host, Url};

/// The address as it is used: without a slash at its end.
pub(crate) fn checked(text: &str) -> Result<String, Failure> {
    let wrong = |why: &str| Failure::usage(format!("`--endpoint` is no address of a service: {why}")).hint("write https://host, or http://127.0.0.1:PORT for an emulator");
    let url: Url = text.parse().map_err(|e: url::ParseError| wrong(&e.to_string()))?;
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
        return Err(wrong("it must hold no user, password or query; those belong into `--credential secret:…`"));
    }
    match (url.scheme(), url.host()) {
        ("https", Some(_)) => {}
        ("http", Some(Host::Ipv4(ip))) if ip.is_loopback() => {}
        ("http", Some(Host::Ipv6(ip))) if ip.is_loopback() => {}
        ("http", Some(Host::Domain("localhost"))) => {}
        ("http", _) => return Err(wrong("plain http is for this machine only, because keys and data would be readable on the way")),
        _ => return Err(wrong("it is not https")),
    }
    Ok(text.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::checked;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(checked(text).unwrap_or_else(|f| f.message), expected, "endpoint {text:?}");
    }

    #[test]
    fn plain_http_is_for_this_machine() {
        check("http://127.0.0.1:10000/devstoreaccount1/", "http://127.0.0.1:10000/devstoreaccount1");
        check("http://[::1]:9000", "http://[::1]:9000");
        check("http://localhost:9000", "http://localhost:9000");
        check("https://minio.example", "https://minio.example");
        let http = "`--endpoint` is no address of a service: plain http is for this machine only, because keys and data would be readable on the way";
        check("http://minio.example", http);
        check("http://localhost.example", http);
        check("http://10.0.0.1", http);
        check("ftp://x", "`--endpoint` is no address of a service: it is not https");
    }

    #[test]
    fn credentials_in_it_are_refused_and_not_repeated() {
        for text in ["https://me:pa55@minio.example", "https://minio.example?sig=pa55"] {
            let failure = checked(text).expect_err("refused");
            assert!(!failure.lines().concat().contains("pa55"), "{failure}");
        }
    }
}
