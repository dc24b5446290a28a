//! The search for a credential when none was named, and the part of it that is the environment alone.
//!
//! Azure: keys of the environment for this very account; the identity of the workspace; else the identities in the order of `ochre_azure::Chain`.
//! S3 and GCS: as in `aws.rs` and `gcs.rs`. When nothing is set up at all, access without a credential is tried, for public data; if that is
//! refused, the error says where was looked.
use super::aws::Aws;
use super::azure;
use super::gcs::Gcs;
use super::of_azure;
use crate::accounts::{GrantSource, Place};
use crate::workspace::Workspaces;
use async_trait::async_trait;
use ochre_api::Failure;
use ochre_azure::{AzureError, Cloud, Environment as Variables, TokenSource, Tried};
use ochre_blobs::{Credential, Grant, Location, Scheme};
use std::sync::Arc;

/// What the search asks.
pub(super) struct Parts {
    pub identity: Arc<dyn TokenSource>,
    pub cloud: Cloud,
    pub environment: Variables,
    pub aws: Arc<Aws>,
    pub gcs: Arc<Gcs>,
}

/// How a search ends without a grant.
pub(super) enum Nothing {
    /// Nothing is set up; this was looked at.
    Absent(Vec<Tried>),
    /// Something is set up and does not work.
    Broken(Failure),
}

/// The name of a key in Azure's environment variables.
const STORAGE_KEYS: &str = "storage key in the environment";

/// `auto`.
pub(super) struct Auto {
    pub parts: Parts,
    pub workspaces: Arc<Workspaces>,
}

impl Auto {
    async fn azure(&self, location: &Location, refresh: bool) -> Result<Grant, Nothing> {
        let why = match azure::of_environment(&self.parts.environment, location.account.as_deref()) {
            Ok(grant) => return Ok(grant),
            Err(why) => why,
        };
        let mut tried = vec![Tried { identity: STORAGE_KEYS, why }];
        let identity = match self.workspaces.current() {
            Some(current) => current.identity.clone(),
            None => self.parts.identity.clone(),
        };
        match azure::token_grant(identity.as_ref(), &self.parts.cloud, location, refresh).await {
            Ok(grant) => Ok(grant),
            Err(AzureError::NoIdentity { tried: more }) => {
                tried.extend(more);
                Err(Nothing::Absent(tried))
            }
            Err(error) => Err(Nothing::Broken(of_azure(error))),
        }
    }
}

#[async_trait]
impl GrantSource for Auto {
    fn word(&self) -> String {
        "auto".into()
    }

    async fn grant(&self, location: &Location, place: &Place, refresh: bool) -> Result<Grant, Failure> {
        let found = match location.scheme {
            Scheme::Azure => self.azure(location, refresh).await,
            Scheme::S3 => self.parts.aws.grant(place, false).await,
            Scheme::Gcs => self.parts.gcs.grant(false).await,
            Scheme::File | Scheme::Memory => Ok(Grant::new(Credential::Anonymous)),
        };
        match found {
            Ok(grant) => Ok(grant),
            // Data may be public. If it is not, we are asked again.
            Err(Nothing::Absent(_)) if !refresh => Ok(Grant { region: self.parts.aws.region(place), ..Grant::new(Credential::Anonymous) }),
            Err(nothing) => Err(failure(nothing, location)),
        }
    }
}

/// `environment`: variables and the files that they name, no host and no other program.
pub(super) struct Environment {
    pub parts: Parts,
}

#[async_trait]
impl GrantSource for Environment {
    fn word(&self) -> String {
        "environment".into()
    }

    async fn grant(&self, location: &Location, place: &Place, refresh: bool) -> Result<Grant, Failure> {
        let found = match location.scheme {
            Scheme::Azure => match azure::of_environment(&self.parts.environment, location.account.as_deref()) {
                Ok(grant) => Ok(grant),
                Err(why) => match azure::token_grant(self.parts.identity.as_ref(), &self.parts.cloud, location, refresh).await {
                    Ok(grant) => Ok(grant),
                    Err(AzureError::NoIdentity { mut tried }) => {
                        tried.insert(0, Tried { identity: STORAGE_KEYS, why });
                        Err(Nothing::Absent(tried))
                    }
                    Err(error) => Err(Nothing::Broken(of_azure(error))),
                },
            },
            Scheme::S3 => self.parts.aws.grant(place, true).await,
            Scheme::Gcs => self.parts.gcs.grant(true).await,
            Scheme::File | Scheme::Memory => Ok(Grant::new(Credential::Anonymous)),
        };
        found.map_err(|nothing| failure(nothing, location))
    }
}

fn failure(nothing: Nothing, location: &Location) -> Failure {
    match nothing {
        Nothing::Broken(failure) => failure,
        Nothing::Absent(tried) => {
            let (cloud, hint) = match location.scheme {
                Scheme::S3 => ("AWS", "run `aws configure`, or `%secret set SCOPE/KEY` with ID:KEY and `%credential URL secret:SCOPE/KEY`"),
                Scheme::Gcs => ("Google Cloud", "run `gcloud auth application-default login`, or keep a key file with `%secret set SCOPE/KEY`"),
                _ => ("Azure", "sign in with `az login`, or choose one: `--credential device-code` works everywhere, `anonymous` for public data"),
            };
            let list: Vec<String> = tried.iter().map(ToString::to_string).collect();
            Failure::configuration(format!("no credential of {cloud} was found; looked, in this order, at: {}", list.join("; "))).hint(hint)
        }
    }
}
