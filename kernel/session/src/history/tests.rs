//! What front ends may rely on.
use super::*;

fn place(dir: &tempfile::TempDir) -> HistoryPlace {
    HistoryPlace::File(dir.path().join("deep/history.sqlite"))
}

fn search(pattern: &str) -> HistoryQuery {
    HistoryQuery::Search { pattern: pattern.into(), n: None, unique: false }
}

async fn lines(history: &History, query: HistoryQuery) -> Vec<String> {
    history.query(query).await.into_iter().map(|e| format!("{}:{} {}", e.session, e.line, e.input)).collect()
}

#[tokio::test]
async fn sessions_are_numbered_and_searched() {
    let dir = tempfile::tempdir().unwrap();
    let first = History::new(place(&dir));
    first.record(1, "let a = 1;".into(), None);
    first.record(2, "a + 1".into(), Some("2".into()));
    first.close().await;
    let second = History::new(place(&dir));
    second.record(1, "a + 1".into(), None);
    second.record(2, "x[0]".into(), None);

    assert_eq!(lines(&second, HistoryQuery::Tail { n: 3 }).await, ["1:2 a + 1", "2:1 a + 1", "2:2 x[0]"]);
    assert_eq!(lines(&second, HistoryQuery::Range { session: 0, start: 1, stop: Some(2) }).await, ["2:1 a + 1"]);
    assert_eq!(lines(&second, HistoryQuery::Range { session: -1, start: 0, stop: None }).await, ["1:1 let a = 1;", "1:2 a + 1"]);
    assert_eq!(lines(&second, HistoryQuery::Range { session: 1, start: 2, stop: None }).await, ["1:2 a + 1"]);
    assert_eq!(lines(&second, search("a*")).await, ["1:2 a + 1", "2:1 a + 1"]);
    assert_eq!(lines(&second, search("*[0]")).await, ["2:2 x[0]"], "brackets are meant literally");
    let unique = HistoryQuery::Search { pattern: "a*".into(), n: Some(5), unique: true };
    assert_eq!(lines(&second, unique).await, ["2:1 a + 1"]);
    assert_eq!(second.query(HistoryQuery::Range { session: 1, start: 2, stop: None }).await[0].output.as_deref(), Some("2"));
}

#[tokio::test]
async fn kernels_share_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let kernels: Vec<History> = (0..4).map(|_| History::new(place(&dir))).collect();
    for line in 1..=50 {
        for kernel in &kernels {
            kernel.record(line, format!("cell {line}"), None);
        }
    }
    for kernel in &kernels {
        kernel.close().await;
        assert_eq!(lines(kernel, HistoryQuery::Range { session: 0, start: 1, stop: None }).await.len(), 50);
    }
    assert_eq!(lines(&kernels[0], search("cell 50")).await.len(), 4);
}

#[tokio::test]
async fn a_place_that_cannot_be_written_falls_back_to_memory() {
    let dir = tempfile::tempdir().unwrap();
    let blocked = dir.path().join("file");
    std::fs::write(&blocked, "not a directory").unwrap();
    let history = History::new(HistoryPlace::File(blocked.join("history.sqlite")));
    history.record(1, "1".into(), None);
    assert_eq!(lines(&history, HistoryQuery::Tail { n: 9 }).await, ["1:1 1"]);
}

#[tokio::test]
async fn a_question_before_the_first_cell_is_answered() {
    let history = History::new(HistoryPlace::Memory);
    assert_eq!(history.query(HistoryQuery::Range { session: 0, start: 1, stop: None }).await, []);
    assert_eq!(history.query(HistoryQuery::Range { session: -3, start: 1, stop: None }).await, []);
}
