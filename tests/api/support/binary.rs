//! Runs the binary in a directory of its own.

use std::cell::Cell;
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::databases::other_user;

/// A generous timeout, which only failing tests reach.
const TIMEOUT: Duration = Duration::from_mins(1);

const BINARY: &str = env!("CARGO_BIN_EXE_liaison");

/// Takes from root what other users do not have: access to all files. Part of util-linux.
const WITHOUT_ACCESS_TO_ALL: [&str; 2] = [
    "/usr/bin/setpriv",
    "--bounding-set=-dac_override,-dac_read_search",
];

/// A directory for running the binary, with an empty environment.
pub struct Workspace {
    directory: TempDir,
    runs: Cell<u32>,
}

/// A running process; killed on drop.
pub struct RunningProcess {
    child: Child,
    out: PathBuf,
    err: PathBuf,
}

/// A process that has ended.
#[derive(Debug)]
pub struct ExitedProcess {
    pub status: ExitStatus,
    pub out: String,
    pub err: String,
}

impl Workspace {
    pub fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            runs: Cell::new(0),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a file into the directory.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).unwrap();
    }

    pub fn start(&self, arguments: &[&str]) -> RunningProcess {
        self.start_with(arguments, &[])
    }

    pub fn start_with(&self, arguments: &[&str], environment: &[(&str, &str)]) -> RunningProcess {
        self.spawn(&[], arguments, environment, Stdio::null())
    }

    /// Runs the binary to completion with a file of the directory as its standard input.
    pub fn run_reading(&self, arguments: &[&str], input: &str) -> ExitedProcess {
        let input = File::open(self.path(input)).unwrap();
        self.spawn(&[], arguments, &[], input.into()).ended()
    }

    /// Starts the binary where the file system of this directory is read-only.
    pub fn start_read_only(&self, directory: &str, arguments: &[&str]) -> RunningProcess {
        let mounted = format!(
            "mount --rbind {directory} {directory} && mount -o remount,ro,bind {directory} && exec \"$0\" \"$@\""
        );
        let wrapper = ["/usr/bin/unshare", "--mount", "/bin/sh", "-c", &mounted];
        let is_root = other_user().is_some();
        let as_root = if is_root {
            &[][..]
        } else {
            &["/usr/bin/unshare", "--map-root-user"]
        };
        self.spawn(&[as_root, &wrapper].concat(), arguments, &[], Stdio::null())
    }

    fn spawn(
        &self,
        wrapper: &[&str],
        arguments: &[&str],
        environment: &[(&str, &str)],
        input: Stdio,
    ) -> RunningProcess {
        let run = self.runs.get();
        self.runs.set(run + 1);
        let out = self.path(&format!("{run}.out"));
        let err = self.path(&format!("{run}.err"));
        let mut line = [wrapper, &[BINARY], arguments].concat().into_iter();
        let child = Command::new(line.next().unwrap())
            .args(line)
            .env_clear()
            .envs(environment.iter().copied())
            .current_dir(self.directory.path())
            .stdin(input)
            // To files, because an unread pipe fills up.
            .stdout(File::create(&out).unwrap())
            .stderr(File::create(&err).unwrap())
            .spawn()
            .unwrap();
        RunningProcess { child, out, err }
    }

    /// Runs the binary to completion.
    pub fn run(&self, arguments: &[&str]) -> ExitedProcess {
        self.start(arguments).ended()
    }

    pub fn run_with(&self, arguments: &[&str], environment: &[(&str, &str)]) -> ExitedProcess {
        self.start_with(arguments, environment).ended()
    }

    /// Runs the binary to completion, which must succeed, and returns its output.
    pub fn done(&self, arguments: &[&str]) -> String {
        let ended = self.run(arguments);
        assert!(ended.status.success(), "{arguments:?}: {ended:?}");
        ended.out
    }

    /// Runs the binary to completion as one who may access only what the permissions of files allow.
    pub fn run_unprivileged(&self, arguments: &[&str]) -> ExitedProcess {
        let wrapper = if other_user().is_some() {
            &WITHOUT_ACCESS_TO_ALL[..]
        } else {
            &[]
        };
        self.spawn(wrapper, arguments, &[], Stdio::null()).ended()
    }

    /// Runs the binary, which must fail, and returns its one-line error.
    pub fn refusal(&self, arguments: &[&str]) -> String {
        self.run(arguments).refusal()
    }
}

impl ExitedProcess {
    /// Returns the one-line error of a process that failed.
    pub fn refusal(self) -> String {
        assert!(matches!(self.status.code(), Some(1 | 2)), "{self:?}");
        assert_eq!(self.out, "", "{self:?}");
        let lines: Vec<&str> = self.err.lines().collect();
        // Migrations may log before another error is found.
        let mut output = lines.iter().filter(|line| !line.contains(" INFO "));
        let line = output.next().unwrap_or_else(|| panic!("nothing: {self:?}"));
        assert_eq!(output.next(), None, "{self:?}");
        let line = line.strip_prefix("liaison: ");
        line.unwrap_or_else(|| panic!("{self:?}")).to_owned()
    }
}

impl RunningProcess {
    /// Returns the process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The start of the service: the lines of `dev`, the address, three of `ROLE TOKEN`, and a query.
    pub fn startup_lines(&mut self) -> Vec<String> {
        self.wait_for(|process| {
            let lines: Vec<String> = read(&process.out).lines().map(str::to_owned).collect();
            (lines.len() >= 5 && read(&process.out).ends_with('\n')).then_some(lines)
        })
    }

    /// Returns the URL of `dev`.
    pub fn dev_address(&mut self) -> String {
        let startup_lines = self.startup_lines();
        startup_lines[0]
            .strip_suffix("/graphiql")
            .unwrap()
            .to_owned()
    }

    /// Returns the URL of `serve`, from its log.
    pub fn address(&mut self) -> String {
        self.wait_for(|process| {
            let log = read(&process.err);
            let (_, rest) = log.split_once("serving address=")?;
            let (address, _) = rest.split_once(char::is_whitespace)?;
            Some(format!("http://{address}"))
        })
    }

    fn wait_for<T>(&mut self, condition: impl Fn(&Self) -> Option<T>) -> T {
        let started_at = Instant::now();
        loop {
            if let Some(condition) = condition(self) {
                return condition;
            }
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("it ended with {status}: {}", read(&self.err));
            }
            assert!(started_at.elapsed() < TIMEOUT, "{}", read(&self.err));
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Returns the peak memory in megabytes.
    pub fn megabytes(&self) -> u64 {
        let status = read(Path::new(&format!("/proc/{}/status", self.child.id())));
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes: u64 = line.unwrap().trim_end_matches("kB").trim().parse().unwrap();
        kilobytes / 1024
    }

    /// Waits until the log satisfies a condition and returns it.
    pub fn logged(&mut self, condition: impl Fn(&str) -> bool) -> String {
        self.wait_for(|process| Some(read(&process.err)).filter(|log| condition(log)))
    }

    /// Sends SIGTERM, as a supervisor does.
    pub fn terminate(&self) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &id]).status().unwrap();
        assert!(sent.success());
    }

    /// Sends SIGTERM and waits until the process has ended.
    pub fn stop(self) -> ExitedProcess {
        self.terminate();
        self.ended()
    }

    /// Waits until the process has ended.
    pub fn ended(mut self) -> ExitedProcess {
        let started_at = Instant::now();
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None if started_at.elapsed() > TIMEOUT => {
                    panic!("it does not end: {}", read(&self.err))
                }
                None => thread::sleep(Duration::from_millis(10)),
            }
        };
        assert_eq!(status.signal(), None, "{}", read(&self.err));
        ExitedProcess {
            status,
            out: read(&self.out),
            err: read(&self.err),
        }
    }
}

impl Drop for RunningProcess {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}
