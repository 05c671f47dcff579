//! The service. No systemd runs here, so what its unit gives to the program is given by other means:
//! the user, the capabilities, the limits and the log's folder. All of it is read from the unit.

use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use caps::{CapSet, Capability};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::processes::{Running, wait_until};
use crate::{NAME, made, marker, run};

/// As DynamicUser= takes them: nobody has it.
const USER: u32 = 61184;

/// Ten times what `systemd-analyze security` may find the service exposed to, of 100. It is 11 with
/// systemd 252; any line of the unit that is lost costs more than there is to spare.
const EXPOSURE: u32 = 11;

fn unit_path() -> PathBuf {
    made().prefix.join("lib/systemd/system").join(NAME).with_extension("service")
}

/// What the unit that was installed says about this. Several lines are one.
pub fn setting(name: &str) -> Vec<String> {
    let unit = fs::read_to_string(unit_path()).expect("it is installed");
    let values = unit.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    let words: Vec<_> = values.flat_map(str::split_whitespace).map(str::to_owned).collect();
    assert!(!words.is_empty(), "{name} is missing");
    words
}

fn one_setting(name: &str) -> String {
    let words = setting(name);
    let [word] = &words[..] else { panic!("{name}: {words:?}") };
    word.clone()
}

fn capabilities() -> Vec<String> {
    let capabilities = setting("AmbientCapabilities");
    assert_eq!(capabilities, setting("CapabilityBoundingSet"));
    capabilities.iter().map(|name| name.trim_start_matches("CAP_").to_lowercase()).collect()
}

/// Root of a container may not be allowed to give a process more than it has itself.
fn may_raise_limits() -> bool {
    caps::has_cap(None, CapSet::Effective, Capability::CAP_SYS_RESOURCE).expect("it can be asked")
}

/// A folder that any user may enter, with the program and a folder for its log.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let set_mode = |path: &Path, mode| {
            fs::set_permissions(path, Permissions::from_mode(mode)).expect("root may");
        };
        set_mode(folder.path(), 0o755);
        let place = Self(folder);
        fs::copy(made().prefix.join("bin").join(NAME), place.path(NAME)).expect("there is room");
        fs::create_dir(place.path("log")).expect("a folder");
        let mode = one_setting("LogsDirectoryMode");
        set_mode(&place.path("log"), u32::from_str_radix(&mode, 8).expect("a mode"));
        chown(place.path("log"), Some(USER), Some(USER)).expect("root may");
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The service's command with these capabilities and what else its unit gives it, and one
    /// more option.
    fn service(&self, capabilities: &[String], option: &str) -> Command {
        let mut command = Command::new("prlimit");
        if may_raise_limits() {
            command.arg(format!("--rtprio={}", one_setting("LimitRTPRIO")));
            let memory = one_setting("LimitMEMLOCK").replace("infinity", "unlimited");
            command.arg(format!("--memlock={memory}"));
        }
        command.args(["nice", "-n", &one_setting("Nice"), "setpriv"]);
        let these: String = capabilities.iter().map(|name| format!(",+{name}")).collect();
        for set in ["--inh-caps", "--ambient-caps", "--bounding-set"] {
            command.arg(format!("{set}=-all{these}"));
        }
        command.args(["--no-new-privs", "--clear-groups"]);
        command.args([format!("--reuid={USER}"), format!("--regid={USER}")]);

        let logs = Path::new("/var/log").join(one_setting("LogsDirectory"));
        let logs = logs.to_str().expect("text");
        let here = self.path("log");
        let words = setting("ExecStart").into_iter();
        let words = words.map(|word| word.replace(logs, here.to_str().expect("text")));
        command.arg(self.path(NAME)).args(words.skip(1)).arg(option).env_clear();
        command
    }

    fn events(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.path("log/events.jsonl")).unwrap_or_default();
        let (whole_lines, _) = text.rsplit_once('\n').unwrap_or_default();
        whole_lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }
}

#[test]
fn its_rights_and_limits_suffice() {
    let place = Place::new();
    let mut command = place.service(&capabilities(), "-v");
    command.stderr(File::create(place.path("stderr")).expect("a file"));
    let mut service = Running::start(&mut command);
    let said = || fs::read_to_string(place.path("stderr")).expect("text");
    let begun = || place.events().iter().any(|event| event["event"] == "begin");
    assert!(wait_until(|| begun() || has_ended(&mut service)) && begun(), "{}", said());

    let status = fs::read_to_string(format!("/proc/{}/status", service.pid())).expect("it runs");
    let bounding_set = capabilities().into_iter().map(|name| {
        let name = format!("CAP_{}", name.to_uppercase());
        name.parse::<Capability>().expect("one").bitmask()
    });
    for (name, value) in [
        ("Uid", [USER; 4].map(|uid| uid.to_string()).join("\t")),
        ("CapBnd", format!("{:016x}", bounding_set.sum::<u64>())),
        ("NoNewPrivs", "1".to_owned()),
    ] {
        assert!(status.contains(&format!("\n{name}:\t{value}\n")), "{name} {value}: {status}");
    }

    let word = marker("service");
    run(Command::new("sh").args(["-c", "exit 0", &word]));
    let args = json!(["sh", "-c", "exit 0", word]);
    let is_its_exit = |event: &Value| event["event"] == "exit" && event["args"] == args;
    assert!(wait_until(|| place.events().iter().any(is_its_exit)), "{}", said());

    // Rotated, and reloaded as the unit says, by the same user.
    let log = place.path("log/events.jsonl");
    fs::rename(&log, place.path("log/old")).expect("root may");
    let mut reload = Command::new("setpriv");
    reload.args([format!("--reuid={USER}"), format!("--regid={USER}")]);
    reload.args(["--clear-groups", "sh", "-euc", &setting("ExecReload").join(" ")]);
    run(reload.env("MAINPID", service.pid().to_string()));
    assert!(wait_until(|| log.exists()), "{}", said());

    service.signal(Signal::SIGTERM);
    let status = service.child.wait().expect("it is ours");
    assert!(status.success(), "{status}: {}", said());
    assert_eq!(place.events().pop().expect("it has written")["event"], "end");
    let said = said();
    if may_raise_limits() {
        assert!(said.contains("may read the map in real time"), "{said}");
    } else {
        // Past libtest, which keeps to itself what a test prints that passes.
        let mut stderr = io::stderr();
        let word = "root has no CAP_SYS_RESOURCE here: the limits of the service are not tested\n";
        stderr.write_all(word.as_bytes()).expect("stderr is there");
    }
    assert_eq!(fs::metadata(&log).expect("it is there").uid(), USER);
}

/// Without any one of the unit's capabilities, it does not start.
#[test]
fn it_needs_all_its_rights() {
    let capabilities = capabilities();
    for missing in &capabilities {
        let others: Vec<_> = capabilities.iter().filter(|name| *name != missing).cloned().collect();
        let place = Place::new();
        let output =
            place.service(&others, "--duration=10ms").output().expect("util-linux is there");
        let said = String::from_utf8(output.stderr).expect("text");
        assert_eq!(output.status.code(), Some(1), "without {missing}: {said}");
    }
}

fn has_ended(process: &mut Running) -> bool {
    process.child.try_wait().expect("it is ours").is_some()
}

#[test]
fn systemd_finds_nothing_wrong_with_the_unit() {
    // Its manual page is looked for, too.
    let manual = made().prefix.join("share/man");
    let mut verify = Command::new("systemd-analyze");
    verify.args(["verify", "--man=yes"]).arg(unit_path()).env("MANPATH", manual);
    let output = verify.output().expect("scripts/install-packages test installs systemd");
    // What it only warns of is no failure to it. It may warn of this machine's units, too.
    let said = String::from_utf8(output.stderr).expect("text");
    assert!(output.status.success() && !said.contains(NAME), "{said}");
}

#[test]
fn systemd_finds_the_service_exposed_to_little() {
    let mut security = Command::new("systemd-analyze");
    security.args(["security", "--offline=true", "--no-pager"]);
    security.arg(format!("--threshold={EXPOSURE}")).arg(unit_path());
    run(&mut security);
}
