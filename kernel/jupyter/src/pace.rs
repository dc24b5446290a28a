//! Keeps outputs below the rate at which jupyter_server begins to throw them away: more than
//! 1,000 messages or 1,000,000 bytes of stream output a second, on average over a window of 3 seconds
//! (`ZMQChannelsWebsocketConnection.iopub_msg_rate_limit`, `iopub_data_rate_limit`, `rate_limit_window`).
//! Until the limit nothing waits; at the limit the cell waits, and loses nothing.
use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Longer than the server's, because messages may arrive there closer together than we sent them.
const WINDOW: Duration = Duration::from_millis(3_300);
/// Below 3 x 1,000 by what we do not count.
const MESSAGES: usize = 2_700;
/// Below 3 x 1,000,000 by the headers and signatures around the text.
const STREAM_BYTES: usize = 2_500_000;

#[derive(Debug, Default)]
pub(crate) struct Pace {
    window: Mutex<Window>,
}

#[derive(Debug, Default)]
struct Window {
    sent: VecDeque<(Instant, usize)>,
    bytes: usize,
}

impl Pace {
    /// Waits until a message with so many bytes of stream output may be sent.
    pub(crate) async fn admit(&self, stream_bytes: usize) {
        loop {
            let now = Instant::now();
            let Err(wait) = crate::lock(&self.window).admit(now, stream_bytes) else { return };
            tokio::time::sleep(wait).await;
        }
    }
}

impl Window {
    fn admit(&mut self, now: Instant, bytes: usize) -> Result<(), Duration> {
        while let Some((_, old)) = self.sent.pop_front_if(|(at, _)| now.duration_since(*at) >= WINDOW) {
            self.bytes -= old;
        }
        match self.sent.front() {
            Some((first, _)) if self.sent.len() >= MESSAGES || self.bytes + bytes > STREAM_BYTES => {
                Err(WINDOW - now.duration_since(*first))
            }
            _ => {
                self.sent.push_back((now, bytes));
                self.bytes += bytes;
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends as fast as it may for ten seconds of made-up time; gives the most that fell into any 3 seconds.
    fn most_in_three_seconds(bytes: usize) -> (usize, usize) {
        let (start, mut window, mut sent) = (Instant::now(), Window::default(), Vec::new());
        let mut now = start;
        while now < start + Duration::from_secs(10) {
            match window.admit(now, bytes) {
                Ok(()) => sent.push(now),
                Err(wait) => now += wait,
            }
        }
        let within = |from: &Instant| sent.iter().filter(|at| **at >= *from && **at < *from + Duration::from_secs(3)).count();
        let most = sent.iter().step_by(50).map(within).max().unwrap();
        (most, most * bytes)
    }

    #[test]
    fn stays_below_the_limits_of_the_server() {
        let (messages, _) = most_in_three_seconds(0);
        assert!((2_000..3_000).contains(&messages), "{messages}");
        let (_, bytes) = most_in_three_seconds(60_000);
        assert!((2_000_000..3_000_000).contains(&bytes), "{bytes}");
    }

    #[test]
    fn a_large_message_alone_passes() {
        assert_eq!(Window::default().admit(Instant::now(), STREAM_BYTES * 2), Ok(()));
    }
}
