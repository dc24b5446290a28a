//! Messages survive the wire, and the wire's form does not change behind [`VERSION`]'s back.
mod samples;

use ochre_link::{FrameError, FromWorker, MAX_FRAME_BYTES, ToWorker, VERSION, frame};
use std::path::PathBuf;

#[test]
fn every_message_survives_the_wire() {
    let mut wire = Vec::new();
    for (_, message) in samples::to_worker() {
        frame::write(&mut wire, &message).unwrap();
    }
    let mut rest = wire.as_slice();
    for (name, message) in samples::to_worker() {
        assert_eq!(frame::read::<ToWorker>(&mut rest).unwrap(), Some(message), "{name}");
    }
    assert!(matches!(frame::read::<ToWorker>(&mut rest), Ok(None)));
    for (name, message) in samples::from_worker() {
        let bytes = frame::encode(&message).unwrap();
        assert_eq!(frame::read::<FromWorker>(&mut bytes.as_slice()).unwrap(), Some(message), "{name}");
    }
}

/// Run with `OCHRE_RECORD=1` to record a new form, after giving it a new number in `ochre_link::VERSION`.
#[test]
fn the_form_on_the_wire_is_the_recorded_one() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/recorded.txt");
    let recorded = std::fs::read_to_string(&path).unwrap_or_default();
    let now = rendered();
    if recorded == now {
        return;
    }
    let same_version = recorded.lines().next() == now.lines().next();
    assert!(
        !same_version,
        "messages are encoded differently than recorded: give ochre_link::VERSION a new number, then record with \
         OCHRE_RECORD=1 cargo test -p ochre-link\nfirst difference:\n  recorded {:?}\n  now      {:?}",
        recorded.lines().find(|line| !now.contains(line)),
        now.lines().find(|line| !recorded.contains(line)),
    );
    assert!(std::env::var_os("OCHRE_RECORD").is_some(), "VERSION has changed: record with OCHRE_RECORD=1 cargo test -p ochre-link");
    std::fs::write(&path, now).unwrap();
}

fn rendered() -> String {
    let to = samples::to_worker().into_iter().map(|(name, message)| (name, frame::encode(&message).unwrap()));
    let from = samples::from_worker().into_iter().map(|(name, message)| (name, frame::encode(&message).unwrap()));
    let lines = to.chain(from).map(|(name, bytes)| {
        let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
        format!("{name}: {hex}\n")
    });
    format!("version {VERSION}\n{}", lines.collect::<String>())
}

#[test]
fn a_frame_cut_anywhere_is_an_error_and_nothing_before_it_is_lost() {
    for (name, message) in samples::from_worker() {
        let bytes = frame::encode(&message).unwrap();
        for cut in 1..bytes.len() {
            let result = frame::read::<FromWorker>(&mut &bytes[..cut]);
            assert!(matches!(result, Err(FrameError::Truncated)), "{name} cut at {cut}: {result:?}");
        }
    }
}

#[test]
fn a_length_over_the_limit_is_refused_before_it_is_read() {
    let mut bytes = ((MAX_FRAME_BYTES + 1) as u32).to_le_bytes().to_vec();
    bytes.extend([0; 16]);
    assert!(matches!(frame::read::<ToWorker>(&mut bytes.as_slice()), Err(FrameError::TooLong { .. })));
}
