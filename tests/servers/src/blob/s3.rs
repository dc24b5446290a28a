//! S3's REST, path-style, and the headers by which Google's XML API differs from it.
use super::store::{Data, Object, Store, after_prefix};
use super::{Condition, condition, damaged, metadata, range, read, xml};
use crate::http::{Reply, Request};
use bytes::Bytes;
use std::collections::VecDeque;
use std::ops::Bound;

/// Names of one page, as the service has it.
const PAGE: usize = 1000;
const META: [&str; 2] = ["x-amz-meta-", "x-goog-meta-"];

pub fn answer(store: &mut Store, request: &Request) -> Reply {
    let path = request.path.trim_start_matches('/');
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    if bucket.is_empty() {
        return buckets(store);
    }
    if key.is_empty() {
        return on_bucket(store, request, bucket);
    }
    if !store.containers.contains_key(bucket) {
        return error(request, 404, "NoSuchBucket");
    }
    let upload = request.query("uploadId");
    match (request.method.as_str(), upload) {
        ("GET" | "HEAD", None) => get(store, request, bucket, key),
        ("POST", None) if request.query("uploads").is_some() => begin(store, bucket, key),
        ("PUT", Some(id)) => part(store, request, id),
        ("POST", Some(id)) => complete(store, request, id),
        ("DELETE", Some(id)) => {
            store.uploads.remove(id);
            Reply::status(204)
        }
        ("PUT", None) => put(store, request, bucket, key),
        ("DELETE", None) => delete(store, request, bucket, key),
        _ => error(request, 501, "NotImplemented"),
    }
}

fn buckets(store: &Store) -> Reply {
    let names: String = store.containers.keys().map(|n| format!("<Bucket><Name>{}</Name><CreationDate>2026-11-21T00:00:00.000Z</CreationDate></Bucket>", xml::escape(n))).collect();
    document(format!("<ListAllMyBucketsResult><Owner><ID>ochre</ID></Owner><Buckets>{names}</Buckets></ListAllMyBucketsResult>"))
}

fn on_bucket(store: &mut Store, request: &Request, bucket: &str) -> Reply {
    let exists = store.containers.contains_key(bucket);
    match request.method.as_str() {
        "PUT" if exists => error(request, 409, "BucketAlreadyOwnedByYou"),
        "PUT" => {
            store.containers.entry(bucket.into()).or_default();
            Reply::status(200).with("Location", format!("/{bucket}"))
        }
        _ if !exists => error(request, 404, "NoSuchBucket"),
        "HEAD" => Reply::status(200).with("x-amz-bucket-region", "us-east-1"),
        "GET" if request.query("location").is_some() => document("<LocationConstraint xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">us-east-1</LocationConstraint>".into()),
        "GET" if request.query("uploads").is_some() => document("<ListMultipartUploadsResult><IsTruncated>false</IsTruncated></ListMultipartUploadsResult>".into()),
        "GET" => list(store, request, bucket),
        "POST" if request.query("delete").is_some() => delete_many(store, request, bucket),
        "DELETE" => {
            store.containers.remove(bucket);
            Reply::status(204)
        }
        _ => error(request, 501, "NotImplemented"),
    }
}

fn list(store: &Store, request: &Request, bucket: &str) -> Reply {
    let of = |name: &str| request.query(name).unwrap_or_default();
    let (prefix, delimiter, second) = (of("prefix"), of("delimiter"), of("list-type") == "2");
    let behind = if second { of("start-after") } else { of("marker") };
    let from = match of("continuation-token") {
        "" if behind.is_empty() => Bound::Unbounded,
        // A marker that is a common prefix stands for all below it.
        "" if !delimiter.is_empty() && behind.ends_with(delimiter) => Bound::Included(after_prefix(behind)),
        "" => Bound::Excluded(behind.to_string()),
        token => Bound::Included(token.to_string()),
    };
    let limit = request.query("max-keys").and_then(|m| m.parse().ok()).unwrap_or(PAGE).min(PAGE);
    let Some(page) = store.page(bucket, prefix, delimiter, from, limit) else { return error(request, 404, "NoSuchBucket") };
    let name_of = |name: &str| if of("encoding-type") == "url" { percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC).to_string() } else { xml::escape(name) };
    let mut entries = String::with_capacity(page.names.len() * 250);
    for name in &page.names {
        let Some(object) = store.get(bucket, name) else { continue };
        entries.push_str(&format!(
            "<Contents><Key>{}</Key><LastModified>{}</LastModified><ETag>{}</ETag><Size>{}</Size><StorageClass>STANDARD</StorageClass></Contents>",
            name_of(name),
            object.modified.format("%Y-%m-%dT%H:%M:%S%.3fZ"),
            xml::escape(&object.etag()),
            object.size(),
        ));
    }
    entries.extend(page.prefixes.iter().map(|p| format!("<CommonPrefixes><Prefix>{}</Prefix></CommonPrefixes>", name_of(p))));
    let next = match (&page.next, second) {
        (None, _) => "<IsTruncated>false</IsTruncated>".into(),
        (Some(next), true) => format!("<IsTruncated>true</IsTruncated><NextContinuationToken>{}</NextContinuationToken>", xml::escape(next)),
        (Some(_), false) => format!("<IsTruncated>true</IsTruncated><NextMarker>{}</NextMarker>", name_of(page.last().map_or("", |l| l.as_str()))),
    };
    let encoding = if of("encoding-type") == "url" { "<EncodingType>url</EncodingType>" } else { "" };
    document(format!(
        "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>{bucket}</Name><Prefix>{}</Prefix><KeyCount>{}</KeyCount><MaxKeys>{limit}</MaxKeys>{encoding}{next}{entries}</ListBucketResult>",
        name_of(prefix),
        page.names.len() + page.prefixes.len(),
    ))
}

fn get(store: &Store, request: &Request, bucket: &str, key: &str) -> Reply {
    let Some(object) = store.get(bucket, key) else { return error(request, 404, "NoSuchKey") };
    match condition(request, Some(object)) {
        Condition::Fails => return error(request, 412, "PreconditionFailed"),
        Condition::NotModified => return Reply::status(304).with("ETag", object.etag()),
        Condition::Holds => {}
    }
    let Ok(part) = range(request, object.size()) else { return error(request, 416, "InvalidRange") };
    let mut reply = versioned(read(request, object, part), object);
    for (name, value) in &object.metadata {
        reply = reply.with(&format!("x-amz-meta-{name}"), value.clone());
    }
    reply
}

fn put(store: &mut Store, request: &Request, bucket: &str, key: &str) -> Reply {
    if damaged(request) {
        return error(request, 400, "BadDigest");
    }
    if condition(request, store.get(bucket, key)) != Condition::Holds {
        return error(request, 412, "PreconditionFailed");
    }
    let source = request.header("x-amz-copy-source").or(request.header("x-goog-copy-source"));
    let Some(source) = source else {
        let body = body(request);
        return written(store, request, bucket, key, Data::Stored(body));
    };
    let source = percent_encoding::percent_decode_str(source.trim_start_matches('/')).decode_utf8_lossy().into_owned();
    let Some(found) = source.split_once('/').and_then(|(b, k)| store.get(b, k)).cloned() else { return error(request, 404, "NoSuchKey") };
    let bytes: Bytes = found.pieces(0..found.size()).into_iter().flatten().collect();
    let reply = written(store, request, bucket, key, Data::Stored(bytes));
    if let Some(object) = store.containers.get_mut(bucket).and_then(|b| b.get_mut(key)).filter(|_| request.header("x-amz-metadata-directive") != Some("REPLACE")) {
        (object.content_type, object.metadata) = (found.content_type, found.metadata);
    }
    let etag = reply.headers.iter().find(|(n, _)| n == "ETag").map(|(_, v)| xml::escape(v)).unwrap_or_default();
    document(format!("<CopyObjectResult><LastModified>{}</LastModified><ETag>{etag}</ETag></CopyObjectResult>", chrono::Utc::now().format("%Y-%m-%dT%H:%M:%S%.3fZ")))
}

fn written(store: &mut Store, request: &Request, bucket: &str, key: &str, data: Data) -> Reply {
    let Some(object) = store.put(bucket, key, data) else { return error(request, 404, "NoSuchBucket") };
    object.metadata = metadata(request, &META);
    if let Some(content_type) = request.header("content-type") {
        object.content_type = content_type.into();
    }
    versioned(Reply::status(200), object).with("ETag", object.etag())
}

fn versioned(reply: Reply, object: &Object) -> Reply {
    reply.with("x-goog-generation", object.version.to_string()).with("x-amz-request-id", "0C4E")
}

fn begin(store: &mut Store, bucket: &str, key: &str) -> Reply {
    let id = format!("upload-{}", store.next_version());
    store.uploads.insert(id.clone(), (bucket.into(), key.into(), Default::default()));
    document(format!("<InitiateMultipartUploadResult><Bucket>{bucket}</Bucket><Key>{}</Key><UploadId>{id}</UploadId></InitiateMultipartUploadResult>", xml::escape(key)))
}

fn part(store: &mut Store, request: &Request, id: &str) -> Reply {
    let (Some(number), bytes) = (request.query("partNumber").and_then(|n| n.parse::<u32>().ok()), body(request)) else { return error(request, 400, "InvalidArgument") };
    if damaged(request) {
        return error(request, 400, "BadDigest");
    }
    let Some((_, _, parts)) = store.uploads.get_mut(id) else { return error(request, 404, "NoSuchUpload") };
    parts.insert(format!("{number:05}"), bytes);
    Reply::status(200).with("ETag", format!("\"part-{number}\""))
}

fn complete(store: &mut Store, request: &Request, id: &str) -> Reply {
    let Some((bucket, key, parts)) = store.uploads.get(id).cloned() else { return error(request, 404, "NoSuchUpload") };
    if condition(request, store.get(&bucket, &key)) != Condition::Holds {
        return error(request, 412, "PreconditionFailed");
    }
    let numbers = xml::texts(&request.text(), &["PartNumber"]);
    let pieces: Option<Vec<Bytes>> = numbers.iter().map(|(_, n)| parts.get(&format!("{:05}", n.parse::<u32>().ok()?)).cloned()).collect();
    let Some(pieces) = pieces.filter(|p| !p.is_empty()) else { return error(request, 400, "InvalidPart") };
    store.uploads.remove(id);
    let Some(object) = store.put(&bucket, &key, Data::Pieces(pieces)) else { return error(request, 404, "NoSuchBucket") };
    let (etag, version) = (object.etag(), object.version);
    let reply = document(format!("<CompleteMultipartUploadResult><Bucket>{bucket}</Bucket><Key>{}</Key><ETag>{}</ETag></CompleteMultipartUploadResult>", xml::escape(&key), xml::escape(&etag)));
    reply.with("x-goog-generation", version.to_string())
}

fn delete(store: &mut Store, request: &Request, bucket: &str, key: &str) -> Reply {
    let existed = store.containers.get_mut(bucket).and_then(|b| b.remove(key)).is_some();
    // S3 does not mind; Google does.
    let google = request.header("authorization").is_some_and(|a| a.starts_with("Bearer")) || request.headers.iter().any(|(n, _)| n.starts_with("x-goog-"));
    if !existed && google { error(request, 404, "NoSuchKey") } else { Reply::status(204) }
}

fn delete_many(store: &mut Store, request: &Request, bucket: &str) -> Reply {
    let mut done = String::new();
    for (_, key) in xml::texts(&request.text(), &["Key"]) {
        if let Some(objects) = store.containers.get_mut(bucket) {
            objects.remove(&key);
        }
        done.push_str(&format!("<Deleted><Key>{}</Key></Deleted>", xml::escape(&key)));
    }
    document(format!("<DeleteResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{done}</DeleteResult>"))
}

/// The body without the chunks that signing clients put around it.
fn body(request: &Request) -> Bytes {
    let chunked = request.header("x-amz-content-sha256").is_some_and(|h| h.starts_with("STREAMING-")) || request.header("content-encoding").is_some_and(|e| e.contains("aws-chunked"));
    if !chunked {
        return request.body.clone();
    }
    let (mut rest, mut found) = (&request.body[..], Vec::with_capacity(request.body.len()));
    while let Some(end) = rest.windows(2).position(|w| w == b"\r\n") {
        let head = String::from_utf8_lossy(&rest[..end]).into_owned();
        let size = usize::from_str_radix(head.split(';').next().unwrap_or_default(), 16).unwrap_or(0);
        if size == 0 || end + 2 + size > rest.len() {
            break;
        }
        found.extend_from_slice(&rest[end + 2..end + 2 + size]);
        rest = rest.get(end + 2 + size + 2..).unwrap_or_default();
    }
    found.into()
}

fn document(xml: String) -> Reply {
    Reply::new(200, "application/xml", format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>{xml}"))
}

fn error(request: &Request, status: u16, code: &str) -> Reply {
    let mut reply = Reply::new(status, "application/xml", format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>{code}</Message></Error>"));
    if request.method == "HEAD" {
        reply.body.pieces = VecDeque::new();
    }
    reply
}
