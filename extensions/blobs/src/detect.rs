//! What kind of credential a secret's text is. Users put what the portal gave them into a secret; nobody has to say what it is called.

use ochre_secrets::Secret;
use serde_json::Value;

use crate::location::decode;
use crate::{BlobError, Credential, Grant, Result};

/// The parts of an Azure storage connection string that matter for blobs.
#[derive(Debug, Clone, Default)]
pub struct ConnectionString {
    pub account: Option<String>,
    pub key: Option<Secret>,
    pub sas: Option<Secret>,
    /// Base URL of the blob service, where it is not the public one.
    pub endpoint: Option<String>,
}

/// The account of the storage emulators, whose key Microsoft publishes.
const EMULATOR_ACCOUNT: &str = "devstoreaccount1";
const EMULATOR_KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
const EMULATOR_ENDPOINT: &str = "http://127.0.0.1:10000/devstoreaccount1";

impl ConnectionString {
    /// Whether `text` has the form of one.
    #[must_use]
    pub fn is(text: &str) -> bool {
        let lower = text.to_ascii_lowercase();
        ["accountname=", "accountkey=", "blobendpoint=", "sharedaccesssignature=", "usedevelopmentstorage="].iter().any(|mark| {
            lower.trim_start().starts_with(mark) || lower.contains(&format!(";{mark}"))
        })
    }

    /// Reads `Name=value;…`: names in any case and order, values with `=` in them, empty parts passed over.
    ///
    /// # Errors
    /// [`BlobError::BadCredential`] when there is neither a key nor a signature, or a part has no `=`; no value is repeated.
    pub fn parse(text: &str) -> Result<Self> {
        let mut parsed = Self::default();
        let (mut protocol, mut suffix, mut development) = ("https".to_owned(), "core.windows.net".to_owned(), false);
        for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
            let Some((name, value)) = part.split_once('=') else { return Err(unusable("a part of the connection string has no `=`")) };
            let value = value.trim();
            match name.trim().to_ascii_lowercase().as_str() {
                "accountname" => parsed.account = Some(value.to_owned()),
                "accountkey" => parsed.key = Some(Secret::from(value.to_owned())),
                "sharedaccesssignature" => parsed.sas = Some(Secret::from(value.trim_start_matches('?').to_owned())),
                "blobendpoint" => parsed.endpoint = Some(value.trim_end_matches('/').to_owned()),
                "endpointsuffix" => suffix = value.to_owned(),
                "defaultendpointsprotocol" => protocol = value.to_ascii_lowercase(),
                "usedevelopmentstorage" => development = value.eq_ignore_ascii_case("true"),
                _ => {}
            }
        }
        if development {
            parsed.account.get_or_insert_with(|| EMULATOR_ACCOUNT.to_owned());
            parsed.key.get_or_insert_with(|| Secret::from(EMULATOR_KEY.to_owned()));
            parsed.endpoint.get_or_insert_with(|| EMULATOR_ENDPOINT.to_owned());
        }
        if parsed.account.is_none() {
            parsed.account = parsed.endpoint.as_deref().and_then(account_in);
        }
        if parsed.endpoint.is_none() && (suffix != "core.windows.net" || protocol != "https") {
            parsed.endpoint = parsed.account.as_ref().map(|account| format!("{protocol}://{account}.blob.{suffix}"));
        }
        if parsed.key.is_none() && parsed.sas.is_none() {
            return Err(unusable("the connection string has neither an AccountKey nor a SharedAccessSignature"));
        }
        if parsed.account.is_none() {
            return Err(unusable("the connection string names no account"));
        }
        Ok(parsed)
    }
}

/// The account that a blob endpoint belongs to: the first word of its host, or of its path for an emulator's address.
fn account_in(endpoint: &str) -> Option<String> {
    let url = url::Url::parse(endpoint).ok()?;
    let host = url.host_str()?;
    if host == "localhost" || host.parse::<std::net::IpAddr>().is_ok() {
        return url.path().trim_matches('/').split('/').next().filter(|a| !a.is_empty()).map(str::to_owned);
    }
    host.split('.').next().map(str::to_owned)
}

/// The grant that the text of a secret is: a connection string, a signature, an Azure account key, AWS' `id:key[:token]`, or a Google key file.
/// A service principal (JSON with `tenant`, `client`, `secret`) is an identity, not a grant, and is `BadCredential` here.
///
/// # Errors
/// [`BlobError::BadCredential`] naming the forms; the text is not repeated.
pub fn credential_of(secret: &Secret) -> Result<Grant> {
    let text = secret.expose().trim();
    if ConnectionString::is(text) {
        let parsed = ConnectionString::parse(text)?;
        let credential = match (parsed.key, parsed.sas) {
            (Some(key), _) => Credential::AzureKey(key),
            (None, Some(sas)) => Credential::AzureSas(sas),
            (None, None) => return Err(unusable("the connection string has neither an AccountKey nor a SharedAccessSignature")),
        };
        let expires = expiry(&credential);
        return Ok(Grant { account: parsed.account, endpoint: parsed.endpoint, expires, ..Grant::new(credential) });
    }
    if text.starts_with('{') {
        let value: Value = serde_json::from_str(text).map_err(|_| unusable("it begins as JSON and is not"))?;
        return match value.get("type").and_then(Value::as_str) {
            Some("service_account" | "authorized_user") => Ok(Grant::new(Credential::GcsServiceAccount(Secret::from(text.to_owned())))),
            _ => Err(unusable("the JSON is no Google key file")),
        };
    }
    let query = text.split_once('?').map_or(text, |(_, query)| query);
    if query.split('&').any(|pair| pair.starts_with("sig=")) {
        let credential = Credential::AzureSas(Secret::from(query.to_owned()));
        return Ok(Grant { expires: expiry(&credential), ..Grant::new(credential) });
    }
    if let Some(keys) = aws(text) {
        return Ok(Grant::new(keys));
    }
    if is_account_key(text) {
        return Ok(Grant::new(Credential::AzureKey(Secret::from(text.to_owned()))));
    }
    if text.starts_with("ya29.") {
        return Ok(Grant::new(Credential::GcsToken(Secret::from(text.to_owned()))));
    }
    Err(unusable(
        "its form is none that is known: an account key, a shared access signature, a connection string, AWS' `id:key` or `id:key:token`, a Google key file",
    ))
}

/// When a signature ends (`se=`), in seconds since 1970.
fn expiry(credential: &Credential) -> Option<u64> {
    let Credential::AzureSas(sas) = credential else { return None };
    let value = sas.expose().split('&').find_map(|pair| pair.strip_prefix("se="))?;
    let value = decode(value)?;
    let time = chrono::DateTime::parse_from_rfc3339(&value).map(|t| t.timestamp()).ok().or_else(|| {
        let date = chrono::NaiveDate::parse_from_str(&value, "%Y-%m-%d").ok()?;
        Some(date.and_hms_opt(0, 0, 0)?.and_utc().timestamp())
    })?;
    u64::try_from(time).ok()
}

/// `id:key[:token]`: AWS' ids have 16 to 128 letters and digits, its keys 40 characters; others' (MinIO) are shorter.
fn aws(text: &str) -> Option<Credential> {
    let mut parts = text.splitn(3, ':');
    let (id, key, token) = (parts.next()?, parts.next()?, parts.next());
    let word = |text: &str| !text.is_empty() && !text.contains(char::is_whitespace);
    (word(id) && word(key) && token.is_none_or(word)).then(|| Credential::AwsKeys {
        id: Secret::from(id.to_owned()),
        key: Secret::from(key.to_owned()),
        token: token.map(|token| Secret::from(token.to_owned())),
    })
}

/// 64 bytes in base64, which is what Azure gives; any length that decodes to 32 bytes or more is taken.
fn is_account_key(text: &str) -> bool {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.decode(text).is_ok_and(|bytes| bytes.len() >= 32)
}

fn unusable(why: &str) -> BlobError {
    BlobError::BadCredential { at: "this account".to_owned(), why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(text: &str) -> String {
        match credential_of(&Secret::from(text.to_owned())) {
            Ok(grant) => {
                let credential = match &grant.credential {
                    Credential::Anonymous => "anonymous".to_owned(),
                    Credential::AzureKey(key) => format!("key {}", key.expose().len()),
                    Credential::AzureSas(sas) => format!("sas {}", sas.expose()),
                    Credential::AzureToken(_) => "token".to_owned(),
                    Credential::AwsKeys { id, key, token } => format!("aws {} {} {}", id.expose(), key.expose(), token.as_ref().map_or("-", Secret::expose)),
                    Credential::GcsToken(_) => "gcs token".to_owned(),
                    Credential::GcsServiceAccount(_) => "gcs file".to_owned(),
                };
                format!("{credential} | {} | {} | {:?}", grant.account.as_deref().unwrap_or("-"), grant.endpoint.as_deref().unwrap_or("-"), grant.expires)
            }
            Err(error) => format!("error: {error}"),
        }
    }

    #[test]
    fn a_secret_is_known_by_its_form() {
        let key = EMULATOR_KEY;
        for (text, expected) in [
            (key.to_owned(), "key 88 | - | - | None"),
            (format!("DefaultEndpointsProtocol=https;AccountName=shop;AccountKey={key};EndpointSuffix=core.windows.net"), "key 88 | shop | - | None"),
            (format!("AccountName=shop;AccountKey={key};EndpointSuffix=core.chinacloudapi.cn;"), "key 88 | shop | https://shop.blob.core.chinacloudapi.cn | None"),
            (format!("accountkey={key};blobendpoint=http://127.0.0.1:1/devstoreaccount1/"), "key 88 | devstoreaccount1 | http://127.0.0.1:1/devstoreaccount1 | None"),
            ("UseDevelopmentStorage=true".to_owned(), "key 88 | devstoreaccount1 | http://127.0.0.1:10000/devstoreaccount1 | None"),
            (
                "BlobEndpoint=https://shop.blob.core.windows.net/;SharedAccessSignature=sv=2023&se=2030-01-01T00%3A00%3A00Z&sig=a%2Bb%3D".to_owned(),
                "sas sv=2023&se=2030-01-01T00%3A00%3A00Z&sig=a%2Bb%3D | shop | https://shop.blob.core.windows.net | Some(1893456000)",
            ),
            ("?sv=2023&se=2030-01-01&sig=abc".to_owned(), "sas sv=2023&se=2030-01-01&sig=abc | - | - | Some(1893456000)"),
            ("https://shop.blob.core.windows.net/c?sv=2023&sig=abc".to_owned(), "sas sv=2023&sig=abc | - | - | None"),
            ("AKIAIOSFODNN7EXAMPLE:wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned(), "aws AKIAIOSFODNN7EXAMPLE wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY - | - | - | None"),
            ("minio:minio123:tok:en".to_owned(), "aws minio minio123 tok:en | - | - | None"),
            (r#"{"type":"service_account","private_key":"x"}"#.to_owned(), "gcs file | - | - | None"),
        ] {
            assert_eq!(kind(&text), expected, "{text}");
            assert_eq!(kind(&format!("  {text}\n")), expected, "white space around it");
        }
    }

    #[test]
    fn what_is_not_a_credential_is_not_repeated() {
        for text in ["TOPSECRET", "", "{TOPSECRET", r#"{"clientSecret":"TOPSECRET"}"#, "AccountName=TOPSECRET", "AccountName=a;TOPSECRET", "AccountKey=TOPSECRET"] {
            let said = kind(text);
            assert!(said.starts_with("error: ") && !said.contains("TOPSECRET"), "{said}");
        }
    }
}
