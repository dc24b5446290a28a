//! Between object_store and the network: adds what its interface has no word for. Uploads carry their MD5, so that the service refuses bytes that
//! changed on the way; what a service says about checksums comes back as metadata of the answer; a commit can be made to fail if the name is taken.

use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use http_body_util::BodyExt;
use md5::{Digest, Md5};
use object_store::ClientOptions;
use object_store::azure::{AzureAuthorizer, AzureCredential};
use object_store::client::{CredentialProvider, HttpClient, HttpConnector, HttpError, HttpRequest, HttpRequestBody, HttpResponse, HttpService, ReqwestConnector};

use crate::Scheme;

tokio::task_local! {
    /// Within its scope the request that makes an object visible fails if the name is taken. object_store has a word for that for small objects only.
    pub(crate) static CREATE_ONLY: ();
}

/// Metadata names under which an answer's checksums reach us. No service has them; they are added on this side.
pub(crate) const WHOLE_MD5: &str = "ochre-whole-md5";
pub(crate) const PART_MD5: &str = "ochre-part-md5";

/// Signs anew what was changed after object_store signed it: Azure's account keys sign all headers.
#[derive(Debug, Clone)]
pub(crate) struct Signer {
    pub(crate) credentials: Arc<dyn CredentialProvider<Credential = AzureCredential>>,
    pub(crate) account: String,
}

/// Makes the clients of a store.
#[derive(Debug, Clone)]
pub(crate) struct Connector {
    pub(crate) scheme: Scheme,
    pub(crate) signer: Option<Signer>,
    /// S3's "directory buckets", whose ETags are no checksums.
    pub(crate) opaque_etags: bool,
}

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let inner = ReqwestConnector::default().connect(options)?;
        Ok(HttpClient::new(Watched { inner, with: self.clone() }))
    }
}

#[derive(Debug)]
struct Watched {
    inner: HttpClient,
    with: Connector,
}

#[async_trait]
impl HttpService for Watched {
    async fn call(&self, mut request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let mut changed = false;
        if CREATE_ONLY.try_with(|()| ()).is_ok() && commits(&request) {
            request.headers_mut().insert(header::IF_NONE_MATCH, HeaderValue::from_static("*"));
            changed = true;
        }
        if request.method() == Method::PUT && self.with.scheme != Scheme::S3 && !request.headers().contains_key("content-md5") {
            if let Some(sum) = md5_of_body(&mut request).await {
                request.headers_mut().insert("content-md5", sum);
                changed = true;
            }
        }
        if changed {
            self.sign(&mut request).await?;
        }
        let method = request.method().clone();
        let mut response = self.inner.execute(request).await?;
        if response.status().is_success() && (method == Method::GET || method == Method::HEAD) {
            self.note_checksums(&mut response);
        }
        Ok(response)
    }
}

/// Whether this request makes an object visible: S3's completion, Azure's block list.
fn commits(request: &HttpRequest) -> bool {
    let query = request.uri().query().unwrap_or("");
    query.contains("comp=blocklist") || (request.method() == Method::POST && query.contains("uploadId="))
}

/// Bodies below this are summed where they are, larger ones on a thread for blocking work: 64 KiB take 0.1 ms.
const SMALL: usize = 64 * 1024;

/// The MD5 of what `request` sends, which is one piece from here on: that way it goes out as it is and not as a stream.
async fn md5_of_body(request: &mut HttpRequest) -> Option<HeaderValue> {
    if request.body().content_length() == 0 {
        return None;
    }
    let body = std::mem::replace(request.body_mut(), HttpRequestBody::empty()).collect().await.ok()?.to_bytes();
    *request.body_mut() = body.clone().into();
    let sum = if body.len() <= SMALL { Md5::digest(&body) } else { tokio::task::spawn_blocking(move || Md5::digest(&body)).await.ok()? };
    HeaderValue::from_str(&STANDARD.encode(sum)).ok()
}

impl Watched {
    /// Signs `request` again where the signature covers what was added.
    async fn sign(&self, request: &mut HttpRequest) -> Result<(), HttpError> {
        let Some(signer) = &self.with.signer else { return Ok(()) };
        let credential = signer.credentials.get_credential().await.map_err(|e| HttpError::new(object_store::client::HttpErrorKind::Unknown, e))?;
        if let AzureCredential::AccessKey(_) = credential.as_ref() {
            request.headers_mut().remove(header::AUTHORIZATION);
            AzureAuthorizer::new(&credential, &signer.account).authorize(request);
        }
        Ok(())
    }

    /// Adds what the answer says about checksums as metadata of the object.
    fn note_checksums(&self, response: &mut HttpResponse) {
        let prefix = match self.with.scheme {
            Scheme::Azure => "x-ms-meta-",
            Scheme::S3 => "x-amz-meta-",
            Scheme::Gcs => "x-goog-meta-",
            Scheme::File | Scheme::Memory => return,
        };
        let whole = match self.with.scheme {
            Scheme::Azure => azure_md5(response.status(), response.headers()),
            Scheme::S3 => s3_md5(response.headers()).filter(|_| !self.with.opaque_etags),
            _ => google_md5(response.headers()),
        };
        let part = (response.status() == StatusCode::PARTIAL_CONTENT).then(|| decoded(response.headers(), "content-md5")).flatten();
        for (name, sum) in [(WHOLE_MD5, whole), (PART_MD5, part)] {
            let name = header::HeaderName::try_from(format!("{prefix}{name}"));
            if let (Some(sum), Ok(name)) = (sum, name) {
                if let Ok(value) = HeaderValue::from_str(&sum) {
                    response.headers_mut().insert(name, value);
                }
            }
        }
    }
}

/// A header with a base64 MD5, as hexadecimal.
fn decoded(headers: &HeaderMap, name: &str) -> Option<String> {
    hexadecimal(headers.get(name)?.to_str().ok()?)
}

fn hexadecimal(base64: &str) -> Option<String> {
    let bytes = STANDARD.decode(base64.trim()).ok()?;
    (bytes.len() == 16).then(|| hex(&bytes))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn azure_md5(status: StatusCode, headers: &HeaderMap) -> Option<String> {
    decoded(headers, "x-ms-blob-content-md5").or_else(|| if status == StatusCode::OK { decoded(headers, "content-md5") } else { None })
}

fn google_md5(headers: &HeaderMap) -> Option<String> {
    let all = headers.get_all("x-goog-hash").iter().filter_map(|value| value.to_str().ok());
    all.flat_map(|value| value.split(',')).find_map(|pair| hexadecimal(pair.trim().strip_prefix("md5=")?))
}

/// An S3 ETag is the MD5 of an object that was put in one piece, unless a key of the customer's encrypts it.
fn s3_md5(headers: &HeaderMap) -> Option<String> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if text("x-amz-server-side-encryption").is_some_and(|how| how != "AES256") || text("x-amz-server-side-encryption-customer-algorithm").is_some() {
        return None;
    }
    let tag = text("etag")?.trim_matches('"');
    (tag.len() == 32 && tag.bytes().all(|b| b.is_ascii_hexdigit())).then(|| tag.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (header::HeaderName::from_static(name), HeaderValue::from_str(value).expect("a value"))).collect()
    }

    #[test]
    fn checksums_are_found_where_services_put_them() {
        let empty = "d41d8cd98f00b204e9800998ecf8427e";
        let base64 = "1B2M2Y8AsgTpgAmY7PhCfg==";
        assert_eq!(azure_md5(StatusCode::PARTIAL_CONTENT, &headers(&[("x-ms-blob-content-md5", base64)])).as_deref(), Some(empty));
        assert_eq!(azure_md5(StatusCode::OK, &headers(&[("content-md5", base64)])).as_deref(), Some(empty));
        assert_eq!(azure_md5(StatusCode::PARTIAL_CONTENT, &headers(&[("content-md5", base64)])), None, "of the part, not of the whole");
        let both = format!("crc32c=AAAAAA==,md5={base64}");
        assert_eq!(google_md5(&headers(&[("x-goog-hash", &both)])).as_deref(), Some(empty));
        let tag = format!("\"{empty}\"");
        assert_eq!(s3_md5(&headers(&[("etag", &tag)])).as_deref(), Some(empty));
        assert_eq!(s3_md5(&headers(&[("etag", &tag), ("x-amz-server-side-encryption", "aws:kms")])), None);
        assert_eq!(s3_md5(&headers(&[("etag", "\"d41d8cd98f00b204e9800998ecf8427e-3\"")])), None, "of parts");
    }
}
