//! The little XML that the services speak: escaping, and the texts of elements with a name.

/// Text for an element.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The texts of all elements of these names, in their order; nested elements are not looked into.
pub fn texts(xml: &str, names: &[&str]) -> Vec<(String, String)> {
    let (mut found, mut rest) = (Vec::new(), xml);
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        let Some(end) = rest.find('>') else { break };
        let tag = rest[..end].split([' ', '/']).next().unwrap_or_default().to_string();
        rest = &rest[end + 1..];
        if !names.contains(&tag.as_str()) {
            continue;
        }
        let Some(close) = rest.find(&format!("</{tag}>")) else { break };
        let text = rest[..close].trim().replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#34;", "\"").replace("&apos;", "'").replace("&amp;", "&");
        found.push((tag, text));
        rest = &rest[close..];
    }
    found
}

#[cfg(test)]
mod tests {
    #[test]
    fn texts_come_in_their_order() {
        let xml = r#"<?xml version="1.0"?><BlockList><Latest>YQ==</Latest><Committed>b&amp;c</Committed><Latest>d</Latest></BlockList>"#;
        let pair = |a: &str, b: &str| (a.to_string(), b.to_string());
        assert_eq!(super::texts(xml, &["Latest", "Committed"]), [pair("Latest", "YQ=="), pair("Committed", "b&c"), pair("Latest", "d")]);
    }
}
