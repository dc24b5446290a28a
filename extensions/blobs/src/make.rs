//! Making the container itself, for which object_store has no word: one signed request.

use http::{HeaderValue, Method, Request, header};
use object_store::aws::AwsAuthorizer;
use object_store::azure::AzureAuthorizer;
use object_store::client::{HttpClient, HttpRequest, HttpRequestBody, HttpResponse};

use crate::open::Raw;
use crate::{BlobError, Container, Result};

const DOING: &str = "making";

pub(crate) async fn container(container: &Container) -> Result<()> {
    let at = || container.location().to_string();
    let failed = |error: &object_store::Error| BlobError::of_store(DOING, at(), error);
    match container.raw() {
        Raw::There => Ok(()),
        Raw::Directory(path) => std::fs::create_dir_all(path).map_err(|error| BlobError::local(DOING, path, &error)),
        Raw::Unsupported(what) => Err(BlobError::Unsupported { doing: DOING, at: at(), what: (*what).to_owned() }),
        Raw::Azure { client, service, account, credentials } => {
            let mut request = put(&format!("{service}?restype=container"), String::new())?;
            if let Some(credentials) = credentials {
                let credential = credentials.get_credential().await.map_err(|e| failed(&e))?;
                AzureAuthorizer::new(&credential, account).authorize(&mut request);
            }
            answer(container, client, request, &["ContainerAlreadyExists"]).await
        }
        Raw::S3 { client, url, region, credentials } => {
            // The first region is the one that must not be named.
            let body = if region == "us-east-1" {
                String::new()
            } else {
                format!("<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><LocationConstraint>{region}</LocationConstraint></CreateBucketConfiguration>")
            };
            let mut request = put(url, body)?;
            if let Some(credentials) = credentials {
                let credential = credentials.get_credential().await.map_err(|e| failed(&e))?;
                AwsAuthorizer::new(&credential, "s3", region).authorize(&mut request, None);
            }
            answer(container, client, request, &["BucketAlreadyOwnedByYou"]).await
        }
    }
}

fn put(url: &str, body: String) -> Result<HttpRequest> {
    let length = body.len();
    let mut request = Request::builder().method(Method::PUT).uri(url).body(HttpRequestBody::from(body)).map_err(|error| BlobError::Internal {
        doing: DOING,
        at: "a container".to_owned(),
        detail: error.to_string(),
    })?;
    request.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    Ok(request)
}

/// Sends `request`; an error whose code is one of `fine` is none.
async fn answer(container: &Container, client: &HttpClient, request: HttpRequest, fine: &[&str]) -> Result<()> {
    let at = container.location().to_string();
    let sent = container.steady().once(0, async {
        client.execute(request).await.map_err(|error| object_store::Error::Generic { store: "ochre", source: Box::new(error) })
    });
    let response: HttpResponse = sent.await.map_err(|error| BlobError::of_store(DOING, at.clone(), &error))?;
    let status = response.status();
    if status.is_success() {
        return Ok(());
    }
    let body = response.into_body().bytes().await.unwrap_or_default();
    let text = String::from_utf8_lossy(&body);
    if fine.iter().any(|code| text.contains(code)) {
        return Ok(());
    }
    let code = text.split_once("<Code>").and_then(|(_, rest)| rest.split('<').next()).unwrap_or_default().to_owned();
    let detail = format!("status {}{}{code}", status.as_u16(), if code.is_empty() { "" } else { ": " });
    Err(match status.as_u16() {
        401 | 403 => BlobError::Denied { doing: DOING, at, detail },
        409 => BlobError::Exists { doing: DOING, at },
        404 => BlobError::NotFound { doing: DOING, at, detail },
        429 | 503 => BlobError::Throttled { doing: DOING, at, detail },
        _ => BlobError::Remote { doing: DOING, at, detail },
    })
}
