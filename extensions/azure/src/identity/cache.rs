//! Tokens are kept until shortly before their end, and one request at a time fetches a new one, however many ask.
use crate::token::now;
use crate::{AzureError, Token, TokenSource};
use async_trait::async_trait;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// A token is renewed when less than this is left of it: a transfer that has begun should be able to end. Seconds.
const MARGIN: u64 = 300;

#[derive(Clone)]
struct Kept {
    token: Token,
    /// Unix seconds after which a new one is fetched.
    stale: u64,
}

/// The token of one scope.
#[derive(Default)]
struct Slot {
    /// Counts the tokens that were fetched; read without the lock, to see whether another task has just renewed.
    fetched: AtomicU64,
    kept: tokio::sync::Mutex<Option<Kept>>,
}

/// A source with a memory. Tokens of one scope never serve another.
pub struct Cached {
    source: Arc<dyn TokenSource>,
    slots: Mutex<HashMap<String, Arc<Slot>>>,
}

impl Cached {
    /// In front of a source.
    pub fn new(source: Arc<dyn TokenSource>) -> Self {
        Self { source, slots: Mutex::default() }
    }

    fn slot(&self, scope: &str) -> Arc<Slot> {
        let mut slots = self.slots.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        slots.entry(scope.to_string()).or_default().clone()
    }

    async fn fetch(&self, scope: &str, slot: &Slot, held: &mut Option<Kept>, renew: bool) -> Result<Token, AzureError> {
        let fetched = if renew { self.source.renewed(scope).await } else { self.source.token(scope).await };
        match (fetched, &held) {
            (Ok(token), _) => {
                // A token that lives for less than twice the margin is used for half its life.
                let margin = MARGIN.min(token.remaining() / 2);
                *held = Some(Kept { stale: token.expires.saturating_sub(margin), token: token.clone() });
                slot.fetched.fetch_add(1, Ordering::AcqRel);
                Ok(token)
            }
            // The old one is still good: a hiccup of the token service is nobody's business yet.
            (Err(_), Some(kept)) if !renew && kept.token.expires > now() => Ok(kept.token.clone()),
            (Err(error), _) => Err(error),
        }
    }
}

#[async_trait]
impl TokenSource for Cached {
    fn name(&self) -> String {
        self.source.name()
    }

    async fn token(&self, scope: &str) -> Result<Token, AzureError> {
        let slot = self.slot(scope);
        let mut held = slot.kept.lock().await;
        if let Some(kept) = held.as_ref().filter(|kept| now() < kept.stale) {
            return Ok(kept.token.clone());
        }
        self.fetch(scope, &slot, &mut held, false).await
    }

    async fn renewed(&self, scope: &str) -> Result<Token, AzureError> {
        let slot = self.slot(scope);
        let before = slot.fetched.load(Ordering::Acquire);
        let mut held = slot.kept.lock().await;
        // Several requests may have been refused with the same token: the first of them has renewed it for all.
        match held.as_ref().filter(|_| slot.fetched.load(Ordering::Acquire) != before) {
            Some(kept) => Ok(kept.token.clone()),
            None => self.fetch(scope, &slot, &mut held, true).await,
        }
    }
}

#[cfg(test)]
#[path = "cache_tests.rs"]
mod tests;
