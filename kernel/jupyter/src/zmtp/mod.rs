//! ZMTP 3.0 (<https://rfc.zeromq.org/spec/23/>) with the NULL mechanism: the server side of the two
//! socket types that a kernel needs, ROUTER and XPUB, over TCP and Unix sockets.
//!
//! Written here because a kernel needs what the library sockets do not give: a subscriber that stops
//! reading must not hold back the others, queues are counted in bytes, everything queued can be flushed
//! before the process ends, subscriptions are seen one by one, and an incoming message has a largest size.
//! `tests/zeromq_limits.rs` measures that on the crate `zeromq`, and fails when it gets better.
//! It knows nothing of Jupyter. No client side, no PLAIN or CURVE.
//!
//! ```text
//! listener -- accept --> connection: handshake -> read frames ----> router: (identity, frames) / publisher: subscriptions
//!                                              -> write  <- outbox <- router.send / publisher.publish
//! ```
mod connection;
mod frame;
mod handshake;
mod listener;
mod outbox;
mod publisher;
mod router;

pub(crate) use listener::{Address, Listener};
pub(crate) use publisher::Publisher;
pub(crate) use router::{Received, Router};
