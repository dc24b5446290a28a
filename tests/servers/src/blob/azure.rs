//! Azure's Blob REST: containers, block blobs, listing, batches of deletes.
use super::store::{Data, Object, Store};
use super::{Condition, condition, damaged, md5, metadata, range, read, rfc1123, xml};
use crate::http::{Reply, Request};
use bytes::Bytes;
use std::collections::VecDeque;
use std::ops::Bound;

/// Names of one page, as the service has it.
const PAGE: usize = 5000;
/// The service computes an MD5 for ranges up to this.
const RANGE_MD5_LIMIT: u64 = 4 * 1024 * 1024;

/// Requests on the account itself.
pub fn account(store: &Store, request: &Request) -> Reply {
    match (request.method.as_str(), request.query("comp")) {
        ("GET", Some("list")) => {
            let names = store.containers.keys().filter(|n| n.starts_with(request.query("prefix").unwrap_or_default()));
            let entries: String = names.map(|n| format!("<Container><Name>{}</Name><Properties><Last-Modified>Sat, 21 Nov 2026 00:00:00 GMT</Last-Modified><Etag>\"1\"</Etag></Properties></Container>", xml::escape(n))).collect();
            document(format!("<EnumerationResults><Containers>{entries}</Containers><NextMarker/></EnumerationResults>"))
        }
        (_, Some("properties")) => named(Reply::status(200)).with("x-ms-sku-name", "Standard_LRS").with("x-ms-account-kind", "StorageV2"),
        _ => error(request, 400, "UnsupportedQueryParameter"),
    }
}

/// Requests on a container or a blob; `rest` is the path behind the account.
pub fn answer(store: &mut Store, request: &Request, rest: &str) -> Reply {
    let (container, name) = rest.split_once('/').unwrap_or((rest, ""));
    if request.query("restype") == Some("container") || name.is_empty() {
        return on_container(store, request, container);
    }
    if !store.containers.contains_key(container) {
        return error(request, 404, "ContainerNotFound");
    }
    match (request.method.as_str(), request.query("comp")) {
        ("GET" | "HEAD", None) => get(store, request, container, name),
        ("GET", Some("blocklist")) => block_list(store, request, container, name),
        ("PUT", None) if request.header("x-ms-copy-source").is_some() => copy(store, request, container, name),
        ("PUT", None) => put(store, request, container, name),
        ("PUT", Some("block")) => put_block(store, request, container, name),
        ("PUT", Some("blocklist")) => put_block_list(store, request, container, name),
        ("PUT", Some("metadata" | "properties")) => change(store, request, container, name),
        ("DELETE", None) => delete(store, request, container, name),
        _ => error(request, 400, "UnsupportedQueryParameter"),
    }
}

fn on_container(store: &mut Store, request: &Request, container: &str) -> Reply {
    let exists = store.containers.contains_key(container);
    match (request.method.as_str(), request.query("comp")) {
        ("PUT", None) if exists => error(request, 409, "ContainerAlreadyExists"),
        ("PUT", None) => {
            store.containers.entry(container.into()).or_default();
            named(Reply::status(201)).with("ETag", "\"0x8D1\"").with("Last-Modified", "Sat, 21 Nov 2026 00:00:00 GMT")
        }
        _ if !exists => error(request, 404, "ContainerNotFound"),
        ("GET", Some("list")) => list(store, request, container),
        ("POST", Some("batch")) => batch(store, request),
        ("GET" | "HEAD", None) => named(Reply::status(200)).with("ETag", "\"0x8D1\"").with("Last-Modified", "Sat, 21 Nov 2026 00:00:00 GMT").with("x-ms-lease-status", "unlocked"),
        ("DELETE", None) => {
            store.containers.remove(container);
            named(Reply::status(202))
        }
        _ => error(request, 400, "UnsupportedQueryParameter"),
    }
}

fn list(store: &Store, request: &Request, container: &str) -> Reply {
    let (prefix, delimiter) = (request.query("prefix").unwrap_or_default(), request.query("delimiter").unwrap_or_default());
    let from = request.query("marker").filter(|m| !m.is_empty()).map_or(Bound::Unbounded, |m| Bound::Included(m.to_string()));
    let limit = request.query("maxresults").and_then(|m| m.parse().ok()).unwrap_or(PAGE).clamp(1, PAGE);
    let Some(page) = store.page(container, prefix, delimiter, from, limit) else { return error(request, 404, "ContainerNotFound") };
    let mut entries = String::with_capacity(page.names.len() * 400);
    for name in &page.names {
        let Some(object) = store.get(container, name) else { continue };
        let md5 = object.content_md5.as_ref().map(|m| format!("<Content-MD5>{m}</Content-MD5>")).unwrap_or_default();
        entries.push_str(&format!(
            "<Blob><Name>{}</Name><Properties><Creation-Time>{modified}</Creation-Time><Last-Modified>{modified}</Last-Modified><Etag>{}</Etag><Content-Length>{}</Content-Length><Content-Type>{}</Content-Type>{md5}<BlobType>BlockBlob</BlobType><AccessTier>Hot</AccessTier><LeaseStatus>unlocked</LeaseStatus><LeaseState>available</LeaseState><ServerEncrypted>true</ServerEncrypted></Properties>{}</Blob>",
            xml::escape(name),
            object.etag().trim_matches('"'),
            object.size(),
            xml::escape(&object.content_type),
            if request.query("include").is_some_and(|i| i.contains("metadata")) { metadata_xml(object) } else { String::new() },
            modified = rfc1123(object),
        ));
    }
    for prefix in &page.prefixes {
        entries.push_str(&format!("<BlobPrefix><Name>{}</Name></BlobPrefix>", xml::escape(prefix)));
    }
    let next = page.next.map(|n| format!("<NextMarker>{}</NextMarker>", xml::escape(&n))).unwrap_or_else(|| "<NextMarker/>".into());
    document(format!(
        "<EnumerationResults ContainerName=\"{}\"><Prefix>{}</Prefix><MaxResults>{limit}</MaxResults><Delimiter>{}</Delimiter><Blobs>{entries}</Blobs>{next}</EnumerationResults>",
        xml::escape(container),
        xml::escape(prefix),
        xml::escape(delimiter),
    ))
}

fn metadata_xml(object: &Object) -> String {
    let pairs: String = object.metadata.iter().map(|(n, v)| format!("<{n}>{}</{n}>", xml::escape(v))).collect();
    format!("<Metadata>{pairs}</Metadata>")
}

fn get(store: &Store, request: &Request, container: &str, name: &str) -> Reply {
    let Some(object) = store.get(container, name) else { return error(request, 404, "BlobNotFound") };
    match condition(request, Some(object)) {
        Condition::Fails => return error(request, 412, "ConditionNotMet"),
        Condition::NotModified => return named(Reply::status(304)).with("ETag", object.etag()),
        Condition::Holds => {}
    }
    let Ok(part) = range(request, object.size()) else {
        return error(request, 416, "InvalidRange").with("Content-Range", format!("bytes */{}", object.size()));
    };
    let mut reply = with_properties(named(read(request, object, part.clone())), object);
    match (part, &object.content_md5) {
        (Some(part), whole) => {
            if request.header("x-ms-range-get-content-md5") == Some("true") && part.end - part.start <= RANGE_MD5_LIMIT {
                reply = reply.with("Content-MD5", md5(&object.pieces(part).into_iter().flatten().collect::<Vec<u8>>()));
            }
            if let Some(whole) = whole {
                reply = reply.with("x-ms-blob-content-md5", whole.clone());
            }
        }
        (None, Some(whole)) => reply = reply.with("Content-MD5", whole.clone()),
        (None, None) => {}
    }
    reply
}

fn with_properties(mut reply: Reply, object: &Object) -> Reply {
    for (name, value) in &object.metadata {
        reply = reply.with(&format!("x-ms-meta-{name}"), value.clone());
    }
    reply.with("x-ms-blob-type", "BlockBlob").with("x-ms-lease-status", "unlocked").with("x-ms-lease-state", "available").with("x-ms-server-encrypted", "true").with("x-ms-creation-time", rfc1123(object))
}

/// 409 for a name that must not be there, 412 for a version that must.
fn refused_write(store: &Store, request: &Request, container: &str, name: &str) -> Option<Reply> {
    if damaged(request) {
        return Some(error(request, 400, "Md5Mismatch"));
    }
    let object = store.get(container, name);
    let taken = request.header("if-none-match").is_some() && object.is_some();
    (condition(request, object) != Condition::Holds).then(|| if taken { error(request, 409, "BlobAlreadyExists") } else { error(request, 412, "ConditionNotMet") })
}

fn put(store: &mut Store, request: &Request, container: &str, name: &str) -> Reply {
    if let Some(refusal) = refused_write(store, request, container, name) {
        return refusal;
    }
    written(store, request, container, name, Data::Stored(request.body.clone()))
}

fn written(store: &mut Store, request: &Request, container: &str, name: &str, data: Data) -> Reply {
    let Some(object) = store.put(container, name, data) else { return error(request, 404, "ContainerNotFound") };
    object.metadata = metadata(request, &["x-ms-meta-"]);
    object.content_md5 = request.header("x-ms-blob-content-md5").or(request.header("content-md5").filter(|_| request.query("comp").is_none())).map(str::to_string);
    let explicit = request.header("x-ms-blob-content-type").or(request.header("content-type").filter(|_| request.query("comp").is_none()));
    if let Some(content_type) = explicit {
        object.content_type = content_type.into();
    }
    let reply = named(Reply::status(201)).with("ETag", object.etag()).with("Last-Modified", rfc1123(object)).with("x-ms-request-server-encrypted", "true");
    store.blocks.remove(&(container.to_string(), name.to_string()));
    reply
}

fn put_block(store: &mut Store, request: &Request, container: &str, name: &str) -> Reply {
    let Some(id) = request.query("blockid") else { return error(request, 400, "InvalidQueryParameterValue") };
    if damaged(request) {
        return error(request, 400, "Md5Mismatch");
    }
    store.blocks.entry((container.into(), name.into())).or_default().insert(id.into(), request.body.clone());
    named(Reply::status(201)).with("x-ms-request-server-encrypted", "true")
}

fn put_block_list(store: &mut Store, request: &Request, container: &str, name: &str) -> Reply {
    if let Some(refusal) = refused_write(store, request, container, name) {
        return refusal;
    }
    let empty = Default::default();
    let blocks = store.blocks.get(&(container.to_string(), name.to_string())).unwrap_or(&empty);
    let wanted = xml::texts(&request.text(), &["Latest", "Uncommitted", "Committed"]);
    let pieces: Option<Vec<Bytes>> = wanted.iter().map(|(_, id)| blocks.get(id).cloned()).collect();
    let Some(pieces) = pieces else { return error(request, 400, "InvalidBlockList") };
    written(store, request, container, name, Data::Pieces(pieces))
}

fn block_list(store: &Store, request: &Request, container: &str, name: &str) -> Reply {
    let blocks = store.blocks.get(&(container.to_string(), name.to_string()));
    if blocks.is_none() && store.get(container, name).is_none() {
        return error(request, 404, "BlobNotFound");
    }
    let entries: String = blocks.into_iter().flatten().map(|(id, b)| format!("<Block><Name>{id}</Name><Size>{}</Size></Block>", b.len())).collect();
    document(format!("<BlockList><CommittedBlocks/><UncommittedBlocks>{entries}</UncommittedBlocks></BlockList>"))
}

fn change(store: &mut Store, request: &Request, container: &str, name: &str) -> Reply {
    let version = store.next_version();
    let Some(object) = store.containers.get_mut(container).and_then(|c| c.get_mut(name)) else { return error(request, 404, "BlobNotFound") };
    if request.query("comp") == Some("metadata") {
        object.metadata = metadata(request, &["x-ms-meta-"]);
    }
    if !matches!(object.data, Data::Synthetic { .. }) {
        object.version = version;
    }
    named(Reply::status(200)).with("ETag", object.etag()).with("Last-Modified", rfc1123(object))
}

/// A copy inside the account: done at once.
fn copy(store: &mut Store, request: &Request, container: &str, name: &str) -> Reply {
    if let Some(refusal) = refused_write(store, request, container, name) {
        return refusal;
    }
    let source = request.header("x-ms-copy-source").unwrap_or_default();
    let path = source.split('?').next().unwrap_or_default().split(&format!("/{}/", super::BlobServer::ACCOUNT)).nth(1).unwrap_or_default();
    let path = percent_encoding::percent_decode_str(path).decode_utf8_lossy().into_owned();
    let found = path.split_once('/').and_then(|(c, n)| store.get(c, n)).cloned();
    let Some(found) = found else { return error(request, 404, "CannotVerifyCopySource") };
    let data = match found.data {
        // Another version would have other bytes.
        Data::Synthetic { .. } => Data::Stored(found.pieces(0..found.size()).into_iter().flatten().collect()),
        other => other,
    };
    let mut reply = written(store, request, container, name, data);
    if let Some(object) = store.containers.get_mut(container).and_then(|c| c.get_mut(name)) {
        object.content_type = found.content_type;
        object.content_md5 = found.content_md5;
        if object.metadata.is_empty() {
            object.metadata = found.metadata;
        }
    }
    reply.status = 202;
    reply.with("x-ms-copy-id", "1").with("x-ms-copy-status", "success")
}

fn delete(store: &mut Store, request: &Request, container: &str, name: &str) -> Reply {
    let Some(object) = store.get(container, name) else { return error(request, 404, "BlobNotFound") };
    if condition(request, Some(object)) != Condition::Holds {
        return error(request, 412, "ConditionNotMet");
    }
    if let Some(objects) = store.containers.get_mut(container) {
        objects.remove(name);
    }
    named(Reply::status(202)).with("x-ms-delete-type-permanent", "true")
}

/// Deletes in one request: parts of a multipart body, each a request of its own.
fn batch(store: &mut Store, request: &Request) -> Reply {
    let (mut body, mut id) = (String::new(), String::new());
    for line in request.text().lines() {
        if let Some((_, value)) = line.split_once(':').filter(|(n, _)| n.eq_ignore_ascii_case("content-id")) {
            id = value.trim().to_string();
        }
        let Some(path) = line.strip_prefix("DELETE ").and_then(|l| l.split(' ').next()) else { continue };
        let path = percent_encoding::percent_decode_str(path.split('?').next().unwrap_or_default()).decode_utf8_lossy().into_owned();
        let inside = path.trim_start_matches('/').strip_prefix(super::BlobServer::ACCOUNT).map_or(path.as_str(), |p| p).trim_start_matches('/').to_string();
        let gone = inside.split_once('/').and_then(|(c, n)| store.containers.get_mut(c)?.remove(n)).is_some();
        let (status, extra) = if gone { ("202 Accepted", "") } else { ("404 The specified blob does not exist.", "x-ms-error-code: BlobNotFound\r\n") };
        body.push_str(&format!("--batchresponse_ochre\r\nContent-Type: application/http\r\nContent-ID: {id}\r\n\r\nHTTP/1.1 {status}\r\nx-ms-request-id: 1\r\nx-ms-version: 2024-11-04\r\n{extra}\r\n\r\n"));
    }
    body.push_str("--batchresponse_ochre--\r\n");
    named(Reply::new(202, "multipart/mixed; boundary=batchresponse_ochre", body))
}

fn document(xml: String) -> Reply {
    let text = format!("<?xml version=\"1.0\" encoding=\"utf-8\"?>{xml}");
    named(Reply::new(200, "application/xml", text))
}

fn named(reply: Reply) -> Reply {
    reply.with("Server", "Windows-Azure-Blob/1.0 ochre-servers").with("x-ms-request-id", "0c4e0000-0000-0000-0000-000000000000").with("x-ms-version", "2024-11-04").with("Date", chrono::Utc::now().format("%a, %d %b %Y %H:%M:%S GMT").to_string())
}

fn error(request: &Request, status: u16, code: &str) -> Reply {
    let body = format!("<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>{code}</Code><Message>{code}\nRequestId:0c4e</Message></Error>");
    let mut reply = named(Reply::new(status, "application/xml", body)).with("x-ms-error-code", code);
    if request.method == "HEAD" {
        reply.body.pieces = VecDeque::new();
    }
    reply
}
