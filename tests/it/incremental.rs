//! Exports that carry over what did not change: the same bundle as a full one, for fewer requests.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "helpers of tests: a surprise should stop the test")]

use crate::again::{notebook, post};
use crate::api::mock::{Mock, Reply, Seen};
use crate::cli::{code, err};
use crate::process::{Stage, stage};
use lifeboat::audit::{Depth, verify};
use lifeboat::bundle::{Manifest, Reader, hex};
use lifeboat::event::Silent;
use lifeboat::simulator::Seed;
use serde_json::{Value, json};

/// Bodies of several frames: each kind of object, and notebooks enough to fill frames that stay as they are.
const MANY: Seed = Seed::Generated { notebooks: 900, folders: 20, jobs: 4, seed: 7 };

fn export(stage: &Stage, name: &str, more: &[&str]) -> (Value, String) {
    let output = stage.run(&[&["export", "--unlimited", "--json", "-o", name], more].concat());
    assert!(matches!(output.status.code(), Some(0 | 3)), "{}", err(&output));
    (serde_json::from_slice(&output.stdout).unwrap(), err(&output))
}

fn manifest(stage: &Stage, name: &str) -> Manifest {
    Reader::open(&stage.path(name)).unwrap().manifest().clone()
}

/// The same objects in the same frames, byte for byte: but for the head, where carried objects came from, and the end.
fn assert_same(stage: &Stage, incremental: &str, full: &str) {
    assert!(verify(&stage.path(incremental), Depth::Full, &Silent).unwrap().is_whole());
    let (one, other) = (manifest(stage, incremental), manifest(stage, full));
    assert_eq!(hex(&one.head.content_id), hex(&other.head.content_id));
    let frames = |manifest: &Manifest| -> Vec<_> {
        manifest.frames.iter().skip(1).map(|frame| (frame.clen, frame.ulen, frame.sha256)).collect()
    };
    assert_eq!(frames(&one), frames(&other));
    let members = |manifest: &Manifest| -> Vec<_> {
        let meta = |member: &lifeboat::bundle::MemberLine| {
            let mut meta = member.meta();
            meta.remove("carried");
            meta
        };
        let members = manifest.members.iter();
        members.map(|member| (member.object(), member.name.clone(), member.frame, member.at, meta(member))).collect()
    };
    assert_eq!(members(&one), members(&other));
    assert_eq!((&one.gaps, &one.redacted), (&other.gaps, &other.redacted));
    let states =
        |manifest: &Manifest| -> Vec<_> { manifest.kinds.iter().map(|kind| (kind.kind.clone(), kind.states())).collect() };
    assert_eq!(states(&one), states(&other));
}

/// Reads of contents since so many requests.
fn contents(stage: &Stage, seen: usize) -> Vec<String> {
    let reads = ["/api/2.0/workspace/export", "/api/2.0/workspace-files/", "/api/2.0/dbfs/read", "/api/2.0/global-init-scripts/"];
    let requests = stage.server.requests();
    let paths = requests.iter().skip(seen).filter(|one| reads.iter().any(|read| one.path.starts_with(read)));
    paths.map(|one| format!("{} {:?}", one.path, one.query)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unchanged_workspace_costs_its_listings_and_what_has_no_mark() {
    for seed in [Seed::Sample, MANY] {
        let stage = stage(seed, "1111", 0).await;
        let (first, _) = export(&stage, "first.tar.zst", &[]);
        let seen = stage.server.requests().len();
        let (second, said) = export(&stage, "second.tar.zst", &["--since", "latest", "--full-every", "7d"]);
        assert!(!said.contains("everything is read"), "{said}");
        let read = contents(&stage, seen);
        // The sample has notebooks that come as less than they should be, which are tried again each night.
        let again = first["degraded"].as_array().unwrap().len() + first["gaps"].as_array().unwrap().len();
        assert!(read.len() <= 3 * again, "{read:#?}");
        let (requests, carried) = (second["requests"].as_u64().unwrap(), second["incremental"]["carried"].as_u64().unwrap());
        assert_eq!(first["requests"].as_u64().unwrap() - requests, carried, "each carried object saves its reading");
        assert!(second["incremental"]["unmarked"].as_u64().unwrap() > 0 && second["incremental"]["frames"].as_u64().unwrap() > 0);
        let data_frames = manifest(&stage, "second.tar.zst").frames.len() as u64 - 1;
        assert_eq!(second["incremental"]["frames"], data_frames, "also of what was read again, and is as it was");
        let asked = |night: &Value, what: &str| night["asked"][what].as_u64().unwrap_or_default();
        assert_eq!(asked(&second, "contents"), read.len() as u64, "the program tells what the workspace saw");
        for what in ["listings", "unmarked"] {
            assert_eq!(asked(&first, what), asked(&second, what), "{what}");
        }
        assert_eq!(asked(&second, "listings") + asked(&second, "unmarked") + asked(&second, "contents"), requests);
        export(&stage, "full.tar.zst", &[]);
        assert_same(&stage, "second.tar.zst", "full.tar.zst");
        let (one, two) = (manifest(&stage, "first.tar.zst"), manifest(&stage, "second.tar.zst"));
        assert_eq!(two.head.previous.as_ref().unwrap().manifest_sha256, one.sha256);
        assert!(two.head.source["read_all_at"] == one.head.created);
        let origins = two.members.iter().filter_map(|member| member.meta().get("carried").cloned());
        let origins: Vec<Value> = origins.collect();
        assert_eq!(origins.len() as u64, carried);
        // A third night says where the bytes were read, not from where they were copied last.
        let (third, _) = export(&stage, "third.tar.zst", &["--since", stage.path("second.tar.zst").to_str().unwrap()]);
        assert_eq!(third["incremental"]["carried"], carried);
        let three = manifest(&stage, "third.tar.zst");
        assert!(three.members.iter().filter_map(|member| member.meta().get("carried").cloned()).eq(origins));
        assert_eq!(three.head.previous.unwrap().manifest_sha256, two.sha256);
        stage.server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changed_is_read_and_what_is_gone_is_absent() {
    let stage = stage(MANY, "1111", 0).await;
    let big = |letter: &str| json!({ "path": "/Shared/big", "format": "AUTO", "overwrite": true, "content": base64(&letter.repeat(9 << 20)) });
    post(&stage.server, "/api/2.0/workspace/import", big("a")).await;
    post(&stage.server, "/api/2.0/workspace/import", notebook("/Shared/stays", "stays\n")).await;
    export(&stage, "first.tar.zst", &[]);
    let first = manifest(&stage, "first.tar.zst");
    let notebooks: Vec<&str> = first.members.iter().filter(|one| &*one.kind == "notebook").map(|one| &*one.path).collect();
    let (changed, gone) = (notebooks[100], notebooks[500]);
    post(&stage.server, "/api/2.0/workspace/import", notebook(changed, "print('changed')\n")).await;
    post(&stage.server, "/api/2.0/workspace/delete", json!({ "path": gone, "recursive": false })).await;
    post(&stage.server, "/api/2.0/workspace/import", notebook("/Shared/new", "print('new')\n")).await;
    // Of the same name, but another: it was deleted and made anew.
    post(&stage.server, "/api/2.0/workspace/delete", json!({ "path": "/Shared/stays", "recursive": false })).await;
    post(&stage.server, "/api/2.0/workspace/import", notebook("/Shared/stays", "stays\n")).await;
    let seen = stage.server.requests().len();
    let (second, _) = export(&stage, "second.tar.zst", &["--since", "first.tar.zst"]);
    assert_eq!(contents(&stage, seen).len(), 3, "{:#?}", contents(&stage, seen));
    assert!(second["incremental"]["frames"].as_u64().unwrap() >= 3, "the frames of the big file and others are copied");
    let two = manifest(&stage, "second.tar.zst");
    assert!(two.find("notebook", gone).is_none() && two.find("notebook", "/Shared/new").is_some());
    export(&stage, "full.tar.zst", &[]);
    assert_same(&stage, "second.tar.zst", "full.tar.zst");
    // A file that grew past its frame, and one that shrank.
    post(&stage.server, "/api/2.0/workspace/import", big("b")).await;
    export(&stage, "third.tar.zst", &["--since", "second.tar.zst"]);
    export(&stage, "full3.tar.zst", &[]);
    assert_same(&stage, "third.tar.zst", "full3.tar.zst");
    stage.server.stop().await;
}

fn base64(text: &str) -> String {
    base64::Engine::encode(&base64::engine::general_purpose::STANDARD, text)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_earlier_bundle_that_does_not_serve_means_that_everything_is_read() {
    let stage = stage(Seed::Generated { notebooks: 30, folders: 2, jobs: 1, seed: 1 }, "1111", 0).await;
    let other = crate::process::stage(Seed::Generated { notebooks: 30, folders: 2, jobs: 1, seed: 1 }, "2222", 0).await;
    export(&stage, "first.tar.zst", &[]);
    let bytes = std::fs::read(stage.path("first.tar.zst")).unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(stage.path(name), bytes).unwrap();
    let mut flipped = bytes.clone();
    flipped[bytes.len() / 3] ^= 1;
    write("flipped.tar.zst", &flipped);
    write("cut.tar.zst", &bytes[..bytes.len() - 200]);
    write("nonsense.tar.zst", b"nonsense");
    write("empty.tar.zst", b"");
    write("forged.tar.zst", &crate::forge::Forge::default().build());
    let url = stage.server.url();
    let head = move |head: &mut Value| head["source"] = json!({ "workspace_id": "1111", "host": url });
    write("foreign.tar.zst", &crate::forge::Forge { head: Box::new(head), ..crate::forge::Forge::default() }.build());
    let ahead = stage.command(&["export", "--unlimited", "-o", "ahead.tar.zst"]).env("SOURCE_DATE_EPOCH", "4102444800").output();
    code(&ahead.unwrap(), 0);
    export(&other, "theirs.tar.zst", &[]);
    write("theirs.tar.zst", &std::fs::read(other.path("theirs.tar.zst")).unwrap());
    let pair = minisign::KeyPair::generate_unencrypted_keypair().unwrap();
    write("key", String::from(pair.sk.to_box(None).unwrap()).as_bytes());
    let cases: [(&str, &[&str], &str); 11] = [
        ("flipped.tar.zst", &[], "damaged"),
        ("cut.tar.zst", &[], "cut off"),
        ("nonsense.tar.zst", &[], "not a bundle"),
        ("empty.tar.zst", &[], "not a bundle"),
        ("forged.tar.zst", &[], "of another workspace"),
        ("theirs.tar.zst", &[], "of another workspace"),
        ("foreign.tar.zst", &[], "by another version"),
        ("ahead.tar.zst", &[], "made later than now"),
        ("first.tar.zst", &["--sign", "key"], "not signed"),
        ("first.tar.zst", &["--full-every", "1ms"], "everything was read last"),
        ("first.tar.zst", &["--signed-by", "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3"], "not signed"),
    ];
    for (number, (since, more, why)) in cases.into_iter().enumerate() {
        let name = format!("{number}.tar.zst");
        let (exported, said) = export(&stage, &name, &[&["--since", since], more].concat());
        assert!(said.contains("everything is read") && said.contains(why), "{since}: {said}");
        assert!(exported["incremental"].is_null());
        assert_same(&stage, &name, "first.tar.zst");
        std::fs::remove_file(stage.path(&name)).unwrap();
    }
    // Those that cannot be opened are passed by.
    ["foreign", "ahead"].iter().for_each(|name| std::fs::remove_file(stage.path(&format!("{name}.tar.zst"))).unwrap());
    let (latest, said) = export(&stage, "latest.tar.zst", &["--since", "latest"]);
    assert!(latest["incremental"]["carried"].as_u64().unwrap() >= 30 && said.contains("damaged"), "{said}");
    code(&stage.run(&["export", "--unlimited", "-o", "x.tar.zst", "--since", "not-there"]), 1);
    assert!(!stage.path("x.tar.zst").exists());
    // Nothing at all beside it is what the first night finds.
    std::fs::create_dir(stage.path("nights")).unwrap();
    let (_, said) = export(&stage, "nights/1.tar.zst", &["--since", "latest"]);
    assert!(said.contains("there is no earlier bundle"), "{said}");
    stage.server.stop().await;
    other.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_changed_while_the_earlier_export_ran_is_read_again() {
    let stage = stage(Seed::Generated { notebooks: 8, folders: 2, jobs: 1, seed: 1 }, "1111", 0).await;
    export(&stage, "now.tar.zst", &[]);
    let newest =
        manifest(&stage, "now.tar.zst").members.iter().filter_map(lifeboat::bundle::MemberLine::modified_at).max().unwrap();
    for (after, carried) in [(1, false), (299, false), (310, true)] {
        let at = (newest / 1000 + after).to_string();
        let name = format!("{after}.tar.zst");
        let done = stage.command(&["export", "--unlimited", "-o", &name]).env("SOURCE_DATE_EPOCH", at).output().unwrap();
        code(&done, 0);
        let seen = stage.server.requests().len();
        export(&stage, &format!("since{after}.tar.zst"), &["--since", &name]);
        assert_eq!(contents(&stage, seen).is_empty(), carried, "{after} s");
        assert_same(&stage, &format!("since{after}.tar.zst"), "now.tar.zst");
    }
    stage.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn encrypted_and_signed_nights_follow_one_another() {
    use age::secrecy::ExposeSecret;
    let stage = stage(Seed::Generated { notebooks: 40, folders: 2, jobs: 1, seed: 1 }, "1111", 0).await;
    let (identity, pair) = (age::x25519::Identity::generate(), minisign::KeyPair::generate_unencrypted_keypair().unwrap());
    std::fs::write(stage.path("identity"), identity.to_string().expose_secret()).unwrap();
    std::fs::write(stage.path("key"), String::from(pair.sk.to_box(None).unwrap())).unwrap();
    let recipient = identity.to_public().to_string();
    let sealed = ["--recipient", &recipient, "--sign", "key"];
    export(&stage, "first.tar.zst.age", &sealed);
    let (_, said) = export(&stage, "blind.tar.zst.age", &[&sealed[..], &["--since", "first.tar.zst.age"]].concat());
    assert!(said.contains("everything is read") && said.contains("encrypted"), "{said}");
    let night = [&sealed[..], &["--since", "latest", "--identity", "identity"]].concat();
    let (second, said) = export(&stage, "second.tar.zst.age", &night);
    assert!(second["incremental"]["carried"].as_u64().unwrap() >= 40, "{said}");
    let public = pair.pk.to_base64();
    code(&stage.run(&["verify", "--full", "second.tar.zst.age", "--identity", "identity", "--signed-by", &public]), 0);
    stage.server.stop().await;
}

/// An object of a store that speaks like S3, as it answers to a range, or to a question for its size.
fn object(seen: &Seen, bytes: &[u8]) -> Reply {
    let about = [("etag", "\"1\"".to_owned()), ("last-modified", "Thu, 01 Jan 2026 00:00:00 GMT".to_owned())];
    if seen.method == "HEAD" {
        let lines: Vec<String> = about.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let lines = lines.concat();
        return Reply::Raw(format!("HTTP/1.1 200 OK\r\n{lines}content-length: {}\r\n\r\n", bytes.len()).into_bytes());
    }
    let range = range(seen, bytes.len());
    let place = ("content-range", format!("bytes {}-{}/{}", range.start, range.end - 1, bytes.len()));
    Reply::Whole(206, about.into_iter().chain([place]).collect(), bytes[range].to_vec())
}

fn range(seen: &Seen, size: usize) -> std::ops::Range<usize> {
    let (from, to) = seen.header("range").strip_prefix("bytes=").unwrap().split_once('-').unwrap();
    from.parse().unwrap()..size.min(to.parse::<usize>().unwrap() + 1)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_earlier_bundle_in_a_store_comes_over_the_network_once() {
    let stage = stage(Seed::Generated { notebooks: 30, folders: 2, jobs: 1, seed: 1 }, "1111", 0).await;
    let mut state = 1_u64;
    let mut noise = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        state.to_le_bytes()[7]
    };
    for name in ["/Shared/one", "/Shared/two"] {
        let bytes: Vec<u8> = (0..4 << 20).map(|_| noise()).collect();
        let content = base64(&base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes));
        let file = json!({ "path": name, "format": "AUTO", "overwrite": true, "content": content });
        post(&stage.server, "/api/2.0/workspace/import", file).await;
    }
    // What was changed in the last minutes would be read again.
    let later = (jiff::Timestamp::now().as_second() + 600).to_string();
    code(&stage.command(&["export", "--unlimited", "-o", "first.tar.zst"]).env("SOURCE_DATE_EPOCH", &later).output().unwrap(), 0);
    let bytes = std::fs::read(stage.path("first.tar.zst")).unwrap();
    let (size, held) = (bytes.len(), bytes.clone());
    assert!(size > 6 << 20, "{size}");
    let store = Mock::start(move |seen, _| object(seen, &held)).await;
    let since = ["export", "--unlimited", "--json", "-o", "second.tar.zst", "--since", "s3://bucket/first.tar.zst"];
    let mut command = stage.command(&since);
    let keys =
        [("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "b"), ("AWS_REGION", "us-east-1"), ("AWS_ALLOW_HTTP", "true")];
    command.envs(keys).env("AWS_ENDPOINT_URL", &store.url).env("SOURCE_DATE_EPOCH", &later);
    let output = command.output().unwrap();
    code(&output, 0);
    let exported: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(exported["incremental"]["carried"].as_u64().unwrap() >= 32, "{exported} {}", err(&output));
    let came: usize = store.seen().iter().filter(|seen| seen.method == "GET").map(|seen| range(seen, size).len()).sum();
    assert!(came >= size && came <= size + (2 << 20), "{came} bytes came of a bundle of {size}");
    export(&stage, "full.tar.zst", &[]);
    assert_same(&stage, "second.tar.zst", "full.tar.zst");
    stage.server.stop().await;
}
