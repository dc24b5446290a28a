//! The cache against a source that counts and fails at will.
use super::*;
use ochre_secrets::Secret;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

struct Counting {
    asked: AtomicU64,
    life: AtomicU64,
    broken: AtomicBool,
}

#[async_trait]
impl TokenSource for Counting {
    fn name(&self) -> String {
        "counting".into()
    }
    async fn token(&self, scope: &str) -> Result<Token, AzureError> {
        let number = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        tokio::time::sleep(Duration::from_millis(5)).await;
        if self.broken.load(Ordering::SeqCst) {
            return Err(AzureError::SignInNeeded);
        }
        Ok(Token { secret: Secret::new(format!("{scope}#{number}")), expires: now() + self.life.load(Ordering::SeqCst) })
    }
}

fn cached(life: u64) -> (Arc<Counting>, Arc<Cached>) {
    let source = Arc::new(Counting { asked: AtomicU64::new(0), life: AtomicU64::new(life), broken: AtomicBool::new(false) });
    (source.clone(), Arc::new(Cached::new(source)))
}

async fn value(cache: &Cached, scope: &str) -> String {
    cache.token(scope).await.expect("a token").secret.expose().to_string()
}

#[tokio::test]
async fn many_ask_and_one_request_is_made() {
    let (source, cache) = cached(3600);
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let cache = cache.clone();
            tokio::spawn(async move { value(&cache, "a").await })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.expect("ends"), "a#1");
    }
    assert_eq!(value(&cache, "b").await, "b#2");
    assert_eq!(source.asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_token_near_its_end_is_renewed_before_it() {
    let (source, cache) = cached(0);
    assert_eq!(value(&cache, "a").await, "a#1");
    assert_eq!(value(&cache, "a").await, "a#2");
    source.life.store(3600, Ordering::SeqCst);
    assert_eq!(value(&cache, "a").await, "a#3");
    assert_eq!(value(&cache, "a").await, "a#3");
    let stale = cache.slot("a").kept.lock().await.as_ref().expect("kept").stale;
    assert!((3290..=3300).contains(&(stale - now())), "{}", stale - now());
}

#[tokio::test]
async fn a_hiccup_is_nobodys_business_while_the_old_token_is_good() {
    let (source, cache) = cached(3600);
    value(&cache, "a").await;
    cache.slot("a").kept.lock().await.as_mut().expect("kept").stale = 0;
    source.broken.store(true, Ordering::SeqCst);
    assert_eq!(value(&cache, "a").await, "a#1");
    assert!(cache.renewed("a").await.is_err(), "a token that was refused must not come again");
}

#[tokio::test]
async fn a_refused_token_is_renewed_once_for_all_who_used_it() {
    let (source, cache) = cached(3600);
    value(&cache, "a").await;
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let cache = cache.clone();
            tokio::spawn(async move { cache.renewed("a").await.expect("a token").secret.expose().to_string() })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.expect("ends"), "a#2");
    }
    assert_eq!(source.asked.load(Ordering::SeqCst), 2);
}
