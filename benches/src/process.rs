//! Starts the measured programs, and reads their resource usage.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

use crate::Result;

/// A program that serves on a port. Dropping it stops it.
pub struct Program {
    pub port: u16,
    pub process: u32,
    child: Child,
}

impl Program {
    /// Starts a program and waits until it accepts connections. `{port}` in arguments and variables is replaced.
    pub async fn start<S: AsRef<OsStr>>(
        program: S,
        arguments: &[&str],
        variables: &[(&str, &str)],
        directory: &Path,
    ) -> Result<Self> {
        let port = free_port().await?;
        let filled = |template: &str| template.replace("{port}", &port.to_string());
        let name = program.as_ref().display().to_string();
        let mut child = Command::new(program)
            .args(arguments.iter().map(|argument| filled(argument)))
            .envs(variables.iter().map(|(name, value)| (name, filled(value))))
            .current_dir(directory)
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("{name}: {error}"))?;
        for _ in 0..1200 {
            if TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                let process = child.id().ok_or_else(|| format!("{name} has ended"))?;
                return Ok(Self {
                    port,
                    process,
                    child,
                });
            }
            if let Ok(Some(status)) = child.try_wait() {
                return Err(format!("{name} has ended: {status}"));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err(format!("{name} takes no connections"))
    }

    /// Kills the program.
    pub async fn stop(mut self) -> Result<()> {
        self.child.kill().await.map_err(|error| error.to_string())
    }

    /// Sends SIGTERM, as a supervisor does, and waits until it has ended.
    pub async fn terminate(mut self) -> Result<()> {
        let process = self.process.to_string();
        run("kill", &["-TERM", &process], Path::new("/")).await?;
        let ended = self.child.wait().await.map_err(|error| error.to_string())?;
        if ended.success() {
            return Ok(());
        }
        Err(format!("it ended with {ended} when asked to stop"))
    }
}

/// Runs a program to completion and returns its output.
pub async fn run<S: AsRef<OsStr>>(
    program: S,
    arguments: &[&str],
    directory: &Path,
) -> Result<String> {
    let name = format!("{} {}", program.as_ref().display(), arguments.join(" "));
    let output = Command::new(program)
        .args(arguments)
        .current_dir(directory)
        .stderr(Stdio::inherit())
        .output()
        .await
        .map_err(|error| format!("{name}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{name}: {}", output.status));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

async fn free_port() -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await;
    let address = listener.and_then(|listener| listener.local_addr());
    address
        .map(|address| address.port())
        .map_err(|error| error.to_string())
}

/// Returns the processor time of a process in seconds.
pub fn used(process: u32) -> f64 {
    stat(process).map_or(0.0, |stat| stat.used)
}

/// Returns the processor time of a process and its children, including ended ones, in seconds.
pub fn used_by_family(parent: u32) -> f64 {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let processes = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let children = processes
        .filter_map(stat)
        .filter(|stat| stat.parent == parent);
    let own = stat(parent).map_or(0.0, |stat| stat.used + stat.ended);
    own + children.map(|stat| stat.used).sum::<f64>()
}

/// Returns the peak memory of a process in megabytes.
pub fn most_memory(process: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let most = most.and_then(|size| size.trim().trim_end_matches(" kB").parse().ok());
    most.map_or(0.0, |kilobytes: f64| kilobytes / 1024.0)
}

struct Stat {
    parent: u32,
    used: f64,
    /// Processor time of its ended children.
    ended: f64,
}

fn stat(process: u32) -> Option<Stat> {
    /// Linux reports times in hundredths of a second, whatever its timer frequency.
    const TICKS: f64 = 100.0;
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name, in parentheses, can contain spaces.
    let (_, fields) = text.rsplit_once(") ")?;
    let fields: Vec<&str> = fields.split(' ').collect();
    let ticks = |place: usize| fields.get(place)?.parse::<f64>().ok();
    Some(Stat {
        parent: fields.get(1)?.parse().ok()?,
        used: (ticks(11)? + ticks(12)?) / TICKS,
        ended: (ticks(13)? + ticks(14)?) / TICKS,
    })
}
