//! Who made a bundle: signed exports, and commands that take only what is signed.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "helpers of tests: a surprise should stop the test")]

use crate::cli::{code, err, text};
use crate::process::{Stage, stage};
use lifeboat::simulator::Seed;
use minisign::KeyPair;
use serde_json::Value;
use std::path::PathBuf;

/// A pair of keys as files; answers the secret and the public one.
fn keys(stage: &Stage, name: &str, password: Option<&str>) -> (PathBuf, PathBuf) {
    let pair = match password {
        None => KeyPair::generate_unencrypted_keypair().unwrap(),
        Some(password) => KeyPair::generate_encrypted_keypair(Some(password.to_owned())).unwrap(),
    };
    let (secret, public) = (stage.path(&format!("{name}.key")), stage.path(&format!("{name}.pub")));
    std::fs::write(&secret, String::from(pair.sk.to_box(None).unwrap())).unwrap();
    std::fs::write(&public, String::from(pair.pk.to_box().unwrap())).unwrap();
    (secret, public)
}

const SMALL: Seed = Seed::Generated { notebooks: 6, folders: 2, jobs: 1, seed: 1 };

fn json(output: &std::process::Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_bundle_is_taken_by_those_who_trust_its_signer() {
    let stage = stage(SMALL, "1111", 0).await;
    let ((secret, public), (_, other)) = (keys(&stage, "ours", None), keys(&stage, "other", None));
    let (secret, public, other) = (text(&secret), text(&public), text(&other));
    let exported = stage.run(&["export", "--unlimited", "--json", "--sign", secret, "-o", "b.tar.zst"]);
    code(&exported, 0);
    let key = json(&exported)["signed_by"].as_str().unwrap().to_owned();
    assert!(String::from_utf8_lossy(&stage.run(&["list", "b.tar.zst"]).stdout).contains(&key));
    for depth in [&[][..], &["--quick"], &["--full"], &["--tail"]] {
        let ours = stage.run(&[&["verify", "b.tar.zst", "--json", "--signed-by", public], depth].concat());
        code(&ours, 0);
        assert_eq!((&json(&ours)["trusted"], &json(&ours)["signed_by"]), (&true.into(), &key.as_str().into()));
        let theirs = stage.run(&[&["verify", "b.tar.zst", "--json", "--signed-by", other], depth].concat());
        code(&theirs, 4);
        assert_eq!((&json(&theirs)["whole"], &json(&theirs)["trusted"]), (&true.into(), &false.into()));
    }
    // A key in place of its file, and one of several.
    let line = std::fs::read_to_string(public).unwrap().lines().nth(1).unwrap().to_owned();
    code(&stage.run(&["verify", "b.tar.zst", "--signed-by", other, "--signed-by", &line]), 0);
    for command in ["list", "import", "check", "activate"] {
        let refused = stage.run(&[command, "b.tar.zst", "--signed-by", other]);
        code(&refused, 5);
        assert!(err(&refused).contains(&key), "{}", err(&refused));
    }
    let unasked = stage.run(&["import", "b.tar.zst", "--unlimited", "--plan-only", "--allow-same-workspace"]);
    code(&unasked, 0);
    assert!(err(&unasked).contains("nobody checked the bundle's signature"), "{}", err(&unasked));
    let trusted = ["import", "b.tar.zst", "--unlimited", "--plan-only", "--allow-same-workspace", "--signed-by", public];
    let trusted = stage.run(&trusted);
    code(&trusted, 0);
    assert!(!err(&trusted).contains("warning"), "{}", err(&trusted));
    code(&stage.run(&["verify", "b.tar.zst", "--signed-by", "no-such-file"]), 2);
    // What else stands in the tail of one bundle is no signature of another.
    code(&stage.run(&["export", "--unlimited", "--include", "job", "--sign", secret, "-o", "c.tar.zst"]), 0);
    let swapped =
        with_tail_of(&std::fs::read(stage.path("b.tar.zst")).unwrap(), &std::fs::read(stage.path("c.tar.zst")).unwrap());
    std::fs::write(stage.path("swapped.tar.zst"), swapped).unwrap();
    code(&stage.run(&["verify", "--full", "swapped.tar.zst"]), 0);
    code(&stage.run(&["verify", "swapped.tar.zst", "--signed-by", public]), 4);
    code(&stage.run(&["import", "swapped.tar.zst", "--signed-by", public]), 5);
    stage.server.stop().await;
}

/// A bundle with the tail frame of another, and a trailer that fits.
fn with_tail_of(bundle: &[u8], other: &[u8]) -> Vec<u8> {
    use sha2::{Digest, Sha256};
    let number = |bytes: &[u8], at: usize| usize::try_from(u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())).unwrap();
    let (ours, theirs) = (&bundle[bundle.len() - 160..], &other[other.len() - 160..]);
    let tail = &other[number(theirs, 32)..other.len() - 160];
    let mut trailer = ours.to_vec();
    trailer[40..48].copy_from_slice(&(tail.len() as u64).to_le_bytes());
    trailer[80..112].copy_from_slice(&Sha256::digest(tail));
    let own = Sha256::digest([&trailer[..112], &trailer[144..]].concat());
    trailer[112..144].copy_from_slice(&own);
    [&bundle[..number(ours, 32)], tail, &trailer].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_platform_team_pins_its_signers() {
    let stage = stage(SMALL, "1111", 0).await;
    let (secret, public) = keys(&stage, "ours", Some("open sesame"));
    code(&stage.run(&["export", "--unlimited", "-q", "-o", "plain.tar.zst"]), 0);
    let import = ["import", "plain.tar.zst", "--unlimited", "--plan-only", "--allow-same-workspace"];
    let warned = stage.run(&import);
    code(&warned, 0);
    assert!(err(&warned).contains("the bundle is not signed"), "{}", err(&warned));
    let pinned = |arguments: &[&str]| stage.command(arguments).env("LIFEBOAT_SIGNED_BY", &public).output().unwrap();
    let refused = pinned(&import);
    code(&refused, 5);
    assert!(err(&refused).contains("not signed"), "{}", err(&refused));
    code(&pinned(&["verify", "plain.tar.zst"]), 4);
    // Passwords come from a file or the environment; without, one is told what to do.
    let export = ["export", "--unlimited", "-q", "--sign", text(&secret), "-o", "signed.tar.zst"];
    let without = stage.run(&export);
    code(&without, 1);
    assert!(err(&without).contains("--sign-password-file"), "{}", err(&without));
    let wrong = stage.command(&export).env("LIFEBOAT_SIGN_PASSWORD", "wrong").output().unwrap();
    code(&wrong, 1);
    assert!(err(&wrong).contains("password") && !stage.path("signed.tar.zst").exists(), "{}", err(&wrong));
    code(&stage.command(&export).env("LIFEBOAT_SIGN_PASSWORD", "open sesame").output().unwrap(), 0);
    code(&pinned(&["import", "signed.tar.zst", "--unlimited", "--plan-only", "--allow-same-workspace"]), 0);
    stage.server.stop().await;
}
