//! Who is measured, and how the peers are started.
use crate::plan::Plan;
use crate::server::{CONTAINER, Server};
use ochre_servers::BlobServer;
use std::path::Path;
use std::process::Command;

/// Who does the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Contender {
    /// Plain sockets: the limit.
    Raw,
    /// ochre-blobs.
    Store,
    /// `ochre mount` over FUSE.
    Mount,
    /// rclone mount as it is.
    Rclone,
    /// rclone mount with parallel streams, which few know of.
    RcloneStreams,
    /// s3fs as it is.
    S3fs,
}

pub const ALL: [Contender; 6] = [Contender::Raw, Contender::Store, Contender::Mount, Contender::Rclone, Contender::RcloneStreams, Contender::S3fs];

impl Contender {
    /// In the table's head.
    pub fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw GETs",
            Self::Store => "ochre::store",
            Self::Mount => "%mount (FUSE)",
            Self::Rclone => "rclone mount",
            Self::RcloneStreams => "rclone mount, 16 streams",
            Self::S3fs => "s3fs",
        }
    }

    /// In file names.
    pub fn short(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Store => "store",
            Self::Mount => "ochre",
            Self::Rclone => "rclone",
            Self::RcloneStreams => "rclone16",
            Self::S3fs => "s3fs",
        }
    }

    /// Whether it reads through a mounted directory.
    pub fn mounts(self) -> bool {
        !matches!(self, Self::Raw | Self::Store)
    }

    /// A peer's command, in the foreground.
    pub fn mount_command(self, plan: &Plan, server: &Server, directory: &Path) -> anyhow::Result<Command> {
        if self == Self::S3fs {
            return s3fs(plan, server, directory);
        }
        let mut command = rclone(plan, server);
        command.arg("mount").arg(format!("az:{CONTAINER}")).arg(directory);
        // Without it a write is refused; it does not change how files are read that are opened for reading alone.
        // Its default is to begin sending 5 s after the close, which would be all that an upload measures.
        command.args(["--vfs-write-back", "0s", "--vfs-cache-mode", "writes", "--cache-dir"]).arg(plan.scratch.join(format!("{}-cache", self.short())));
        if self == Self::RcloneStreams {
            command.args(["--vfs-read-chunk-streams", "16", "--vfs-read-chunk-size", "8M"]);
        }
        Ok(command)
    }
}

/// rclone with the server as the remote `az`.
pub fn rclone(plan: &Plan, server: &Server) -> Command {
    let mut command = Command::new(&plan.rclone);
    command.args(["--config", "/dev/null"]);
    command.env("RCLONE_CONFIG_AZ_TYPE", "azureblob").env("RCLONE_CONFIG_AZ_ACCOUNT", BlobServer::ACCOUNT).env("RCLONE_CONFIG_AZ_KEY", BlobServer::KEY);
    command.env("RCLONE_CONFIG_AZ_ENDPOINT", format!("{}/{}", server.url, BlobServer::ACCOUNT));
    command
}

fn s3fs(plan: &Plan, server: &Server, directory: &Path) -> anyhow::Result<Command> {
    use std::os::unix::fs::PermissionsExt;
    let (passwords, temporary) = (plan.scratch.join("s3fs-passwords"), plan.scratch.join("s3fs-tmp"));
    std::fs::create_dir_all(&temporary)?;
    std::fs::write(&passwords, "id:key\n")?;
    std::fs::set_permissions(&passwords, std::fs::Permissions::from_mode(0o600))?;
    let mut command = Command::new(&plan.s3fs);
    command.arg(CONTAINER).arg(directory).arg("-f");
    for option in ["use_path_request_style".to_string(), format!("url={}", server.url), format!("passwd_file={}", passwords.display()), format!("tmpdir={}", temporary.display())] {
        command.args(["-o", &option]);
    }
    Ok(command)
}
