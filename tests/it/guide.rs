//! The restore guide of the README, command by command as it is written there, against two embedded workspaces.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "helpers of tests: a surprise should stop the test")]

use crate::failback::{active, overlap, work};
use crate::readme::{PAGE, readme};
use lifeboat::simulator::{Activation, Options, Seed, Server};
use std::fmt::Write;
use std::path::Path;
use std::process::Command;

const START: &str = "<!-- guide -->\n";
const PEOPLE: &str = "<!-- people work in the secondary -->";

/// Where a guide begins in the page, and where it ends.
fn place(page: &str, start: &str) -> std::ops::Range<usize> {
    let start = page.find(start).unwrap();
    start..start + page[start..].find("<!-- end -->").unwrap()
}

/// A guide as the page has it.
pub(super) fn guide(start: &str) -> String {
    let page = std::fs::read_to_string(readme()).unwrap();
    page[place(&page, start)].to_owned()
}

/// The guide in the page is what it tells now, or becomes it.
pub(super) fn renew(start: &str, told: &str, test: &str) {
    let _page = PAGE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut now = std::fs::read_to_string(readme()).unwrap();
    let range = place(&now, start);
    if std::env::var_os("LIFEBOAT_BLESS").is_some() {
        now.replace_range(range, told);
        std::fs::write(readme(), now).unwrap();
    } else {
        assert_eq!(now[range], *told, "the guide is out of date: LIFEBOAT_BLESS=1 cargo test --test it {test}");
    }
}

/// A guide with what its commands print now, and how many there are.
pub(super) fn replay(guide: &str, print: impl Fn(&str) -> String) -> (String, usize) {
    let (mut told, mut inside, mut ran) = (String::new(), false, 0);
    for line in guide.lines() {
        match line.strip_prefix("$ ").filter(|_| inside) {
            Some(command) => {
                writeln!(told, "{}", format!("{line}\n{}", print(command)).trim_end()).unwrap();
                ran += 1;
            }
            None if inside && line != "```" => {}
            None => {
                inside = line == "```console";
                writeln!(told, "{line}").unwrap();
            }
        }
    }
    (told, ran)
}

/// A home with two profiles, and a folder in it to work in.
pub(super) struct Desk {
    pub(super) home: tempfile::TempDir,
}

impl Desk {
    pub(super) fn new(primary: &Server, secondary: &Server) -> Self {
        let home = tempfile::tempdir().unwrap();
        let profile = |name: &str, server: &Server| format!("[{name}]\nhost = {}\ntoken = {}\n", server.url(), server.token());
        std::fs::write(home.path().join(".databrickscfg"), profile("primary", primary) + &profile("secondary", secondary))
            .unwrap();
        Self { home }
    }

    /// What a command prints, as a person at a shell would see it.
    pub(super) fn run(&self, command: &str) -> String {
        let program = Path::new(env!("CARGO_BIN_EXE_lifeboat")).parent().unwrap();
        let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
        let mut shell = Command::new("sh");
        shell.args(["-c", command]).current_dir(self.home.path()).env_clear().env("HOME", self.home.path()).env("PATH", path);
        let output = shell.env("SOURCE_DATE_EPOCH", "1787364000").env("TMPDIR", std::env::temp_dir()).output().unwrap();
        let (said, told) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr).into_owned());
        // The bundles of the guide are not signed, and every import says so.
        let unsigned = "warning: the bundle is not signed: nothing tells who made it";
        assert!(output.status.success() && told.lines().all(|line| line == unsigned), "{command}: {told}");
        said
    }
}

/// Without what differs from run to run.
pub(super) fn plain(printed: &str) -> String {
    let [id, size] = ["identity [0-9a-f]{8}…", "[0-9.]+ [KM]iB"].map(|pattern| regex::Regex::new(pattern).unwrap());
    let text = id.replace_all(printed, "identity c5b569a4…");
    let text = size.replace_all(&text, "… KiB");
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// What was switched on and off in a workspace from the moment on when everything in it was off.
fn since_quiet(server: &Server) -> Vec<Activation> {
    let all = server.activations();
    let active = all.iter().scan(0_i64, |active, event| {
        *active += if event.on { 1 } else { -1 };
        Some(*active)
    });
    let quiet = active.enumerate().find(|(at, active)| *active == 0 && !all[*at].on).unwrap().0;
    all[quiet + 1..].to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guide_leads_to_the_secondary_and_back() {
    let server = |seed, id: &str| Server::start(Options { seed, workspace_id: id.into(), ..Options::default() });
    let primary = server(Seed::Sample, "1000000000000001").await.unwrap();
    let secondary = server(Seed::Prepared, "2000000000000002").await.unwrap();
    let desk = Desk::new(&primary, &secondary);
    let guide = guide(START);
    let (there, back) = guide.split_once(PEOPLE).unwrap();
    let print = |command: &str| plain(&desk.run(command));
    let (told_there, ran_there) = replay(there, print);
    assert!(active(&primary).is_empty() && active(&secondary).len() > 8, "jobs run in the secondary, and there alone");
    work(&secondary).await;
    let (told_back, ran_back) = replay(back, print);
    assert!(ran_there + ran_back > 10, "the guide has {} commands", ran_there + ran_back);
    assert!(active(&secondary).is_empty() && active(&primary).contains("job made in the outage"), "{:?}", active(&primary));
    assert_eq!(overlap(&since_quiet(&primary), &secondary.activations()), None, "from when the primary was switched off");
    renew(START, &format!("{told_there}{PEOPLE}{told_back}"), "guide");
}
