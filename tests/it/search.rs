//! Choosing and finding, beside the plainest way to do the same: read every object, and look.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "helpers of tests: a surprise should stop the test")]

use crate::process::{Stage, stage};
use lifeboat::audit::{self, Chosen, Demands, Filter, How, Pattern, choose};
use lifeboat::bundle::{Limits, MemberLine, ReadError, Reader};
use lifeboat::simulator::Seed;
use serde_json::Value;
use std::collections::BTreeSet;
use std::process::Output;

async fn sample() -> (Stage, Reader) {
    let stage = stage(Seed::Sample, "1000000000000001", 0).await;
    let exported = stage.run(&["export", "-q", "--unlimited", "-o", "b.tar.zst"]);
    assert_eq!(exported.status.code(), Some(3), "{}", String::from_utf8_lossy(&exported.stderr));
    let reader = Reader::open(&stage.path("b.tar.zst")).unwrap();
    (stage, reader)
}

fn lines(output: &Output, code: i32) -> Vec<Value> {
    assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn key(member: &MemberLine) -> &str {
    member.key.as_deref().unwrap_or(&member.path)
}

fn chosen(reader: &Reader, demands: &Demands) -> BTreeSet<(String, String)> {
    let filter = Filter::new(demands, &reader.manifest().head.created).unwrap();
    let chosen = choose(reader, &filter).unwrap();
    chosen.members.iter().map(|member| (member.kind.to_string(), member.path.to_string())).collect()
}

fn by_hand(reader: &Reader, wanted: impl Fn(&MemberLine) -> bool) -> BTreeSet<(String, String)> {
    let members = reader.manifest().members.iter().filter(|member| wanted(member));
    members.map(|member| (member.kind.to_string(), member.path.to_string())).collect()
}

fn ends(name: &str, with: &str) -> bool {
    name.ends_with(with)
}

fn texts(all: &[&str]) -> Vec<String> {
    all.iter().map(|one| (*one).to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_mean_what_looking_at_each_object_finds() {
    let (_stage, reader) = sample().await;
    let document = |member: &MemberLine| serde_json::from_slice::<Value>(&reader.read(member).unwrap()).unwrap_or_default();
    let same = |what: &str, demands: Demands, wanted: &dyn Fn(&MemberLine) -> bool| {
        let (found, expected) = (chosen(&reader, &demands), by_hand(&reader, wanted));
        assert!(!expected.is_empty() && expected.len() < reader.manifest().members.len(), "{what} proves nothing");
        assert_eq!(found, expected, "{what}");
    };
    same("kinds", Demands { kinds: texts(&["job", "user"]), ..Demands::default() }, &|one| matches!(&*one.kind, "job" | "user"));
    same("path", Demands { paths: texts(&["/Shared"]), ..Demands::default() }, &|one| {
        key(one) == "/Shared" || key(one).starts_with("/Shared/")
    });
    same("name", Demands { names: texts(&["*.py"]), ..Demands::default() }, &|one| ends(key(one), ".py"));
    same("larger", Demands { larger: Some(2000), ..Demands::default() }, &|one| one.size >= 2000);
    same("smaller", Demands { smaller: Some(100), ..Demands::default() }, &|one| one.size <= 100);
    same("state", Demands { states: vec![audit::State::Degraded], ..Demands::default() }, &|one| one.degraded.is_some());
    let times: BTreeSet<u64> = reader.manifest().members.iter().filter_map(MemberLine::modified_at).collect();
    let middle = *times.iter().nth(times.len() / 2).unwrap();
    let time = jiff::Timestamp::from_millisecond(i64::try_from(middle).unwrap()).unwrap().to_string();
    same("after", Demands { modified_after: Some(time.clone()), ..Demands::default() }, &|one| one.modified_at() >= Some(middle));
    let before = |one: &MemberLine| one.modified_at().is_some_and(|at| at < middle);
    same("before", Demands { modified_before: Some(time), ..Demands::default() }, &before);
    let tags = ["/settings/tags/team", "/custom_tags/team", "/tags/team"];
    let is_tagged = |one: &MemberLine| {
        one.kind.as_ref() != "notebook" && tags.iter().any(|at| document(one).pointer(at).is_some_and(|team| team == "platform"))
    };
    same("tag", Demands { tags: texts(&["team=platform"]), ..Demands::default() }, &is_tagged);
    let hana = "hana.ito@northwind.example";
    let made = |one: &MemberLine| document(one).get("creator_user_name").is_some_and(|name| name == hana);
    let owner = Demands { kinds: texts(&["cluster"]), owners: texts(&[hana]), ..Demands::default() };
    same("owner of clusters", owner, &|one| &*one.kind == "cluster" && made(one));
    let loader = "5b0f5e02-7c1d-4e8a-9a36-1f2f0c7a4d11";
    let owned = chosen(&reader, &Demands { kinds: texts(&["job"]), owners: texts(&[loader]), ..Demands::default() });
    let job = reader.manifest().members.iter().find(|one| key(one) == "nightly settlement" && &*one.kind == "job").unwrap();
    assert!(owned.contains(&("job".to_owned(), job.path.to_string())), "the permissions of the job name its owner: {owned:?}");
    let all = Demands { kinds: texts(&["notebook"]), paths: texts(&["/Shared"]), names: texts(&["l*"]), ..Demands::default() };
    same("all at once", all, &|one| {
        &*one.kind == "notebook" && one.path.starts_with("/Shared/") && one.path.rsplit('/').next().unwrap().starts_with('l')
    });
}

/// Lines of sources that hold a word, found by reading everything.
fn plainly(reader: &Reader, word: &str) -> BTreeSet<(String, String, u64)> {
    let mut found = BTreeSet::new();
    for member in
        reader.manifest().members.iter().filter(|one| matches!(&*one.kind, "notebook" | "file" | "dbfs_file" | "volume_file"))
    {
        let bytes = reader.read(member).unwrap();
        let Ok(text) = String::from_utf8(bytes) else { continue };
        if text.contains('\0') || ends(&member.name, ".ipynb") || text.starts_with('{') {
            continue;
        }
        for (number, line) in (1..).zip(text.lines()) {
            if line.to_lowercase().contains(word) {
                found.insert((member.kind.to_string(), member.path.to_string(), number));
            }
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_found_is_what_stands_there() {
    let (stage, reader) = sample().await;
    for word in ["spark", "import", "select"] {
        let hits = lines(&stage.run(&["find", "--json", "b.tar.zst", word]), 0);
        let of_lines = hits.iter().filter(|hit| hit["line"].is_u64());
        let found: BTreeSet<_> = of_lines
            .filter(|hit| {
                !ends(&reader.find(hit["kind"].as_str().unwrap(), hit["path"].as_str().unwrap()).unwrap().name, ".ipynb")
            })
            .map(|hit| {
                (
                    hit["kind"].as_str().unwrap().to_owned(),
                    hit["path"].as_str().unwrap().to_owned(),
                    hit["line"].as_u64().unwrap(),
                )
            })
            .collect();
        let expected = plainly(&reader, word);
        assert!(
            !expected.is_empty() && found == expected,
            "{word}: {:?}",
            found.symmetric_difference(&expected).collect::<Vec<_>>()
        );
        for hit in hits.iter().filter(|hit| hit["pointer"].is_string()) {
            let member = reader.find(hit["kind"].as_str().unwrap(), hit["path"].as_str().unwrap()).unwrap();
            let document: Value = serde_json::from_slice(&reader.read(member).unwrap()).unwrap();
            assert!(document.pointer(hit["pointer"].as_str().unwrap()).is_some(), "{hit}");
        }
        let counts = lines(&stage.run(&["find", "--json", "--count", "b.tar.zst", word]), 0);
        let sum: u64 = counts.iter().map(|one| one["count"].as_u64().unwrap()).sum();
        let binary = hits.iter().filter(|hit| hit["binary"] == true).count();
        assert_eq!(sum, hits.len() as u64, "{word}, {binary} binary");
        let objects: BTreeSet<_> = hits.iter().map(|hit| (hit["kind"].to_string(), hit["path"].to_string())).collect();
        assert_eq!(counts.len(), objects.len());
    }
    let cells = lines(&stage.run(&["find", "--json", "b.tar.zst", "COMMAND ----------", "--kind", "notebook"]), 0);
    assert!(cells.iter().any(|hit| hit["cell"] == 2), "{cells:?}");
    let jupyter = lines(&stage.run(&["find", "--json", "b.tar.zst", "import", "--name", "explore_seasons"]), 0);
    assert!(jupyter.iter().any(|hit| hit["cell"].is_u64()), "{jupyter:?}");
    lines(&stage.run(&["find", "--json", "b.tar.zst", "no such text as this"]), 3);
    assert_eq!(stage.run(&["find", "b.tar.zst", "("]).status.code(), Some(2));
    assert_eq!(stage.run(&["find", "b.tar.zst", "--jsonpath", "$["]).status.code(), Some(2));
    assert_eq!(stage.run(&["list", "b.tar.zst", "--modified-after", "soon"]).status.code(), Some(2));
    let values =
        lines(&stage.run(&["find", "--json", "b.tar.zst", "--jsonpath", "$.settings.schedule.timezone_id", "berlin"]), 0);
    assert!(values.iter().any(|one| one["key"] == "nightly settlement" && one["value"] == "Europe/Berlin"), "{values:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_hides_nothing_but_what_it_hurts() {
    let (stage, reader) = sample().await;
    let frame = reader.manifest().frames[reader.manifest().frames.len() / 2].clone();
    let mut bytes = std::fs::read(stage.path("b.tar.zst")).unwrap();
    bytes[usize::try_from(frame.off + frame.clen / 2).unwrap()] ^= 1;
    std::fs::write(stage.path("hurt.tar.zst"), bytes).unwrap();
    let (whole, hurt) = (stage.run(&["find", "b.tar.zst", "a"]), stage.run(&["find", "hurt.tar.zst", "a"]));
    assert_eq!((whole.status.code(), hurt.status.code()), (Some(0), Some(4)));
    assert!(String::from_utf8_lossy(&hurt.stderr).contains("not searched, since it is damaged"));
    assert!(hurt.stdout.len() < whole.stdout.len());
}

/// A file of many frames: its lines are numbered on, and none is lost or told twice where one frame ends.
#[test]
fn an_object_of_many_frames_is_searched_like_any_other() {
    for name in ["big", "small", "names"] {
        let reader = Reader::open_source(Box::new(crate::golden::golden(name)), Limits::default()).unwrap();
        let everything = Filter::new(&Demands::default(), "2026-01-01T00:00:00Z").unwrap();
        let chosen: Chosen<'_> = choose(&reader, &everything).unwrap();
        let pattern = Pattern::new("e", How { exact: true, ..How::default() }).unwrap();
        let (mut found, mut counted) = (0, 0);
        let mut fault = |error: ReadError| panic!("{error}");
        audit::find(
            &reader,
            &chosen,
            &pattern,
            &mut |_| {
                found += 1;
                true
            },
            &mut fault,
        );
        audit::count(
            &reader,
            &chosen,
            &pattern,
            &mut |one| {
                counted += one.count;
                true
            },
            &mut fault,
        );
        assert_eq!(found, counted, "{name}");
        let mut first = 0;
        audit::find(
            &reader,
            &chosen,
            &pattern,
            &mut |_| {
                first += 1;
                false
            },
            &mut fault,
        );
        assert_eq!(first, found.min(1), "{name}: who has seen enough is told no more");
    }
}
