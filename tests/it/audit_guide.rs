//! The audit guide of the README: its ten questions, command by command, and the same answers in the page for people.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "helpers of tests: a surprise should stop the test")]

use crate::failback::work;
use crate::guide::{Desk, guide, plain, renew, replay};
use lifeboat::simulator::{Options, Seed, Server};

const START: &str = "<!-- audit guide -->\n";

/// Of each question, what answers it in the page: the section in which the README says that it stands, and words that stand there
/// as they stand here.
const ANSWERS: [&[(&str, &[&str])]; 10] = [
    &[
        ("summary", &["listed objects are captured", "every stored byte was hashed"]),
        ("completeness", &["not there at the source"]),
    ],
    &[
        ("evidence", &["1000000000000001", "operator@northwind.example", "2026-08-19T02:00:00Z"]),
        ("completeness", &["QUANTUM_CANVAS", "not an all-purpose cluster", "not there at the source"]),
    ],
    &[("changes", &["dbt platinum", "made in the outage", "etl autoscale, renamed", "Access gained and lost"])],
    &[("access", &["Admins may do everything, with every object: admins, ", "hana.ito@northwind.example", "shared autoscale"])],
    &[(
        "access",
        &[
            "CAN_MANAGE: folder /Shared and all below it (",
            "via group users, inherited from /",
            "CAN_MANAGE: folder /Users/georg.huber@northwind.example",
            "IS_OWNER: job quarter end, as its owner",
            "georg.huber@northwind.example",
        ],
    )],
    &[
        ("risks", &["runs as emil.novak@northwind.example, who is disabled", "nobody&#39;s job"]),
        ("access", &["What belongs to nobody", "home of a disabled principal", "/Users/emil.novak@northwind.example"]),
    ],
    &[("secrets", &["platform/lake-client-secret", "weather-api-key", "exists", "cluster:etl [0612-090002-abcd2222]"])],
    &[("dependencies", &["/Shared/Reporting/board_pack", "settle-2.1.jar", "shared autoscale"])],
    &[("schedule", &["0 30 2 * * ?", "Europe/Berlin", "first start (UTC)", "disabled: "])],
    &[("risks", &["clear_secret", "GEO_TOKEN", "blanked"])],
];

/// A section of the page, the summary being the first.
fn section<'a>(page: &'a str, id: &str) -> &'a str {
    let mark =
        if id == "summary" { "<section aria-labelledby=\"summary-h\"".to_owned() } else { format!("<section id=\"{id}\"") };
    page[page.find(&mark).unwrap()..].split("</section>").next().unwrap()
}

/// Digests that a reader can tell from one another, for those of the two nights, which differ from run to run.
const DIGESTS: [&str; 2] = ["c5b569a4…", "7d1e02f3…"];

/// Without the address of the embedded workspace, which stands in the identity of a bundle, too.
fn as_at_home(printed: &str) -> String {
    let [host, bundle] =
        [r"http://127\.0\.0\.1:\d+", "bundle ([0-9a-f]{12})…"].map(|pattern| regex::Regex::new(pattern).unwrap());
    let text = host.replace_all(printed, "https://adb-1000000000000001.1.azuredatabricks.net").into_owned();
    let mut met: Vec<String> = bundle.captures_iter(&text).map(|one| one[1].to_owned()).collect();
    met.dedup();
    let text = met.iter().zip(DIGESTS).fold(text.clone(), |text, (met, digest)| text.replace(&format!("{met}…"), digest));
    // Only of the second night is the whole digest told.
    regex::Regex::new("identity [0-9a-f]{64}").unwrap().replace_all(&text, format!("identity {}", DIGESTS[1])).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_questions_are_answered_by_commands_and_by_the_page() {
    let server = |seed, id: &str| Server::start(Options { seed, workspace_id: id.into(), ..Options::default() });
    let primary = server(Seed::Sample, "1000000000000001").await.unwrap();
    let other = server(Seed::Empty, "2000000000000002").await.unwrap();
    let desk = Desk::new(&primary, &other);
    let night =
        |day, at| format!("SOURCE_DATE_EPOCH={at} lifeboat export --quiet --profile primary -o {day}.tar.zst || test $? = 3");
    desk.run(&night("tuesday", 1_787_018_400));
    work(&primary).await;
    desk.run(&night("wednesday", 1_787_104_800));
    // 3 says that a bundle lacks something, 4 that there is something to tell.
    let run = |command: &str| desk.run(&format!("{command} || case $? in 3 | 4) ;; *) exit 1 ;; esac"));
    let print = |command: &str| as_at_home(&plain(&run(command)));
    let (told, ran) = replay(&guide(START), print);
    assert_eq!(ran, 1 + ANSWERS.len(), "a page, and a command for each question");
    let cut = regex::Regex::new(r"(?m)^\$ .*\|.*$|\band [0-9]+ more\b.*$").unwrap();
    assert!(!cut.is_match(&told), "an answer is whole: {:?}", cut.find(&told));
    let report = std::fs::read_to_string(desk.home.path().join("wednesday.html")).unwrap();
    for (number, answers) in ANSWERS.iter().enumerate() {
        let lacks = answers.iter().flat_map(|(id, words)| words.iter().map(move |word| (*id, *word)));
        let lacks: Vec<(&str, &str)> = lacks.filter(|(id, word)| !section(&report, id).contains(word)).collect();
        assert!(lacks.is_empty(), "the page does not answer question {}: {lacks:?}", number + 1);
    }
    renew(START, &told, "audit_guide");
}
