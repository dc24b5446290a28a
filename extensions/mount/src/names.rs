//! Keys of a container as names of a tree, and back. Pure: knows no store and no file system.
//!
//! A path in the mount is the key below the mount's root, unchanged. Keys that cannot be a path are not shown, and cannot be reached through the
//! mount (`ochre::store` reads them): those with an empty, `.` or `..` segment, with a NUL, or with a segment of more than 255 bytes.

/// Longest name that Linux takes, in bytes (`NAME_MAX`).
pub const NAME_MAX: usize = 255;

/// Whether `name` can be an entry of a directory.
#[must_use]
pub fn usable(name: &str) -> bool {
    !name.is_empty() && name != "." && name != ".." && name.len() <= NAME_MAX && !name.contains(['/', '\0'])
}

/// The key of `path` (both without slashes at their ends) below `root`.
#[must_use]
pub fn key(root: &str, path: &str) -> String {
    match (root, path) {
        ("", path) => path.to_owned(),
        (root, "") => root.to_owned(),
        (root, path) => format!("{root}/{path}"),
    }
}

/// `directory` and `name` as a path; "" is the mount's root.
#[must_use]
pub fn join(directory: &str, name: &str) -> String {
    key(directory, name)
}

/// The directory and the name of a path that is not the root.
#[must_use]
pub fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// The name that `key` has within the directory whose key is `directory`; `None` where it is not a direct entry, or cannot be one.
#[must_use]
pub fn within<'a>(directory: &str, key: &'a str) -> Option<&'a str> {
    let rest = match directory {
        "" => key,
        directory => key.strip_prefix(directory)?.strip_prefix('/')?,
    };
    usable(rest).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_keys_are_no_names() {
        let cases = [
            ("", "a", Some("a")),
            ("", "a/b", None),
            ("", "", None),
            ("", ".", None),
            ("", "..", None),
            ("", "a\0b", None),
            ("", "...", Some("...")),
            ("", " ", Some(" ")),
            ("", "ü ñ\n", Some("ü ñ\n")),
            ("d", "d/a", Some("a")),
            ("d", "d/", None),
            ("d", "d//a", None),
            ("d", "d", None),
            ("d", "dd/a", None),
            ("d/e", "d/e/..", None),
        ];
        for (directory, key, name) in cases {
            assert_eq!(within(directory, key), name, "{directory:?} {key:?}");
        }
        assert!(usable(&"x".repeat(255)) && !usable(&"x".repeat(256)) && !usable(&"ü".repeat(128)));
    }

    #[test]
    fn keys_and_paths_turn_into_each_other() {
        for (root, path, whole) in [("", "", ""), ("r", "", "r"), ("", "a/b", "a/b"), ("r/s", "a/b", "r/s/a/b")] {
            assert_eq!(key(root, path), whole);
        }
        assert_eq!((split("a"), split("a/b/c"), join("", "a"), join("a", "b")), (("", "a"), ("a/b", "c"), "a".to_owned(), "a/b".to_owned()));
    }
}
