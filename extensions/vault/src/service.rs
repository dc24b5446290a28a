//! Answers `ochre::secret("SCOPE/KEY")` of cells: topic `secret`, the name as text, the value as text.
use crate::Vault;
use ochre_api::{Failure, Service, async_trait};

/// The service.
pub(crate) struct SecretService(pub(crate) Vault);

#[async_trait]
impl Service for SecretService {
    fn topic(&self) -> &'static str {
        "secret"
    }

    async fn answer(&self, payload: &[u8]) -> Result<Vec<u8>, Failure> {
        let name = std::str::from_utf8(payload).map_err(|_| Failure::bug("a cell asked for a secret whose name is no text"))?;
        Ok(self.0.get(name).await?.expose().as_bytes().to_vec())
    }
}
