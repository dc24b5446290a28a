//! `~/.aws/credentials` and `~/.aws/config`: static keys of a profile, or the program that gives them.
//!
//! Profiles that sign in (SSO) or take on a role need more of AWS's machinery; the AWS command line has it, and is asked:
//! `aws configure export-credentials`.
use ochre_azure::Environment;
use ochre_azure::environment::ini_section;
use ochre_secrets::Secret;
use std::path::PathBuf;

/// A profile of both files together.
#[derive(Debug, Default)]
pub(super) struct Profile {
    pub name: String,
    pub id: Option<Secret>,
    pub key: Option<Secret>,
    pub token: Option<Secret>,
    pub region: Option<String>,
    /// A command that prints keys.
    pub process: Option<String>,
    /// It names a role or a sign-in.
    pub needs_cli: bool,
    pub endpoint: Option<String>,
}

/// Keys of a profile that mean that keys are to be got from somewhere.
const INDIRECT: [&str; 6] = ["sso_session", "sso_start_url", "role_arn", "source_profile", "credential_source", "login_session"];

/// The profile of `AWS_PROFILE` (else `default`), or why there is none.
pub(super) fn profile(environment: &Environment) -> Result<Profile, String> {
    let name = environment.first(&["AWS_PROFILE", "AWS_DEFAULT_PROFILE"]).map_or("default", |(_, name)| name);
    let file = |variable: &str, leaf: &str| environment.path(variable).or_else(|| Some(environment.home()?.join(".aws").join(leaf)));
    let read = |path: Option<PathBuf>| path.and_then(|p| std::fs::read_to_string(p).ok()).map(Secret::from);
    let credentials = read(file("AWS_SHARED_CREDENTIALS_FILE", "credentials"));
    let config = read(file("AWS_CONFIG_FILE", "config"));
    if credentials.is_none() && config.is_none() {
        return Err("there is no ~/.aws/credentials or ~/.aws/config".into());
    }
    let mut found = Profile { name: name.to_string(), ..Profile::default() };
    let mut seen = false;
    // In the config file all but the default one are called `profile NAME`. The credentials file counts before it.
    let titles = [name.to_string(), format!("profile {name}")];
    for text in [&credentials, &config].into_iter().flatten() {
        for title in &titles {
            if let Some(pairs) = ini_section(text.expose(), title) {
                seen = true;
                pairs.into_iter().for_each(|(key, value)| found.take(&key, value));
            }
        }
    }
    if seen { Ok(found) } else { Err(format!("the files in ~/.aws have no profile `{name}`")) }
}

impl Profile {
    fn take(&mut self, key: &str, value: String) {
        let secret = |slot: &mut Option<Secret>, value: String| {
            slot.get_or_insert_with(|| value.into());
        };
        match key {
            _ if value.is_empty() => {}
            "aws_access_key_id" => secret(&mut self.id, value),
            "aws_secret_access_key" => secret(&mut self.key, value),
            "aws_session_token" => secret(&mut self.token, value),
            "region" => self.region = self.region.take().or(Some(value)),
            "endpoint_url" => self.endpoint = self.endpoint.take().or(Some(value)),
            "credential_process" => self.process = self.process.take().or(Some(value)),
            _ if INDIRECT.contains(&key) => self.needs_cli = true,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_files_make_one_profile() {
        let home = tempfile::tempdir().expect("a directory");
        let aws = home.path().join(".aws");
        std::fs::create_dir(&aws).expect("makes");
        std::fs::write(aws.join("credentials"), "[default]\naws_access_key_id = AKIA1\naws_secret_access_key = k1\n[work]\naws_access_key_id=AKIA2\naws_secret_access_key=k2\naws_session_token=t\n").expect("writes");
        std::fs::write(aws.join("config"), "[default]\nregion = eu-west-1\n[profile work]\nregion=us-west-2\n[profile sso]\nsso_session = mine\n").expect("writes");
        let home = home.path().to_string_lossy().into_owned();
        let of = |name: &str| profile(&Environment::of([("HOME", home.as_str()), ("AWS_PROFILE", name)]));
        let default = of("").expect("is there");
        assert_eq!((default.id.expect("has").expose(), default.region.as_deref()), ("AKIA1", Some("eu-west-1")));
        let work = of("work").expect("is there");
        assert_eq!((work.key.expect("has").expose(), work.token.expect("has").expose(), work.region.as_deref()), ("k2", "t", Some("us-west-2")));
        assert!(of("sso").expect("is there").needs_cli);
        assert_eq!(of("none").expect_err("is not"), "the files in ~/.aws have no profile `none`");
    }
}
