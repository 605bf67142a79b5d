//! A containerd with nothing but its own directory, which ends with the value.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use dray::containerd::Containerd;
use tempfile::TempDir;

pub(crate) const NAMESPACE: &str = "contract";

const START_TIME: Duration = Duration::from_secs(30);

pub(crate) struct PrivateContainerd {
    directory: TempDir,
    process: Child,
}

impl PrivateContainerd {
    pub(crate) async fn start() -> Result<Self> {
        let directory = tempfile::tempdir()?;
        fs::write(directory.path().join("config.toml"), config(directory.path()))?;
        let process = spawn(directory.path())?;
        let mut daemon = Self { directory, process };
        daemon.ready().await?;
        Ok(daemon)
    }

    pub(crate) fn address(&self) -> String {
        self.directory.path().join("containerd.sock").display().to_string()
    }

    pub(crate) async fn connect(&self, namespace: &str) -> Result<Containerd> {
        Ok(Containerd::connect(&self.address(), namespace).await?)
    }

    /// Ends the process at once, as a crash would.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }

    /// Starts it again on the same directory.
    pub(crate) async fn restart(&mut self) -> Result<()> {
        self.kill()?;
        self.process = spawn(self.directory.path())?;
        self.ready().await
    }

    async fn ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + START_TIME;
        loop {
            let Err(error) = self.connect(NAMESPACE).await else { return Ok(()) };
            if self.process.try_wait()?.is_some() || Instant::now() > deadline {
                let log = fs::read_to_string(self.directory.path().join("log"))?;
                bail!("containerd did not start: {error:#}\n{log}");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for PrivateContainerd {
    fn drop(&mut self) {
        // It may have ended before, and a failure here must not hide that of the test.
        let _ = self.kill();
    }
}

fn spawn(directory: &Path) -> Result<Child> {
    let log = File::options().create(true).append(true).open(directory.join("log"))?;
    Command::new("containerd")
        .arg("--config")
        .arg(directory.join("config.toml"))
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .context("this suite needs `containerd` in the PATH, and root")
}

/// The plugins that are off reach outside of the directory, or are slow to find out that they cannot work.
fn config(directory: &Path) -> String {
    let path = |name| directory.join(name).display().to_string();
    format!(
        r#"version = 2
root = "{}"
state = "{}"
disabled_plugins = [
  "io.containerd.grpc.v1.cri",
  "io.containerd.internal.v1.opt",
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
]
[grpc]
  address = "{}"
[ttrpc]
  address = "{}"
"#,
        path("root"),
        path("state"),
        path("containerd.sock"),
        path("containerd.ttrpc.sock"),
    )
}
