//! Encrypted bundles: read in ranges by their recipients, by nobody else, and no change stays unseen.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "helpers of tests: a surprise should stop the test")]

use crate::cli::{code, err, text};
use crate::process::{Stage, stage};
use age::secrecy::ExposeSecret;
use lifeboat::crypt::{Encrypted, Keys, Locked, Recipients, UnlockError};
use lifeboat::simulator::Seed;
use lifeboat::store::{Disk, Source, Store};
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const PIECE: usize = 65_552;
const SMALL: Seed = Seed::Generated { notebooks: 300, folders: 9, jobs: 5, seed: 1 };

fn plain(len: usize) -> Vec<u8> {
    (0..len).map(|at| u8::try_from((at * 31 + at / 251) % 256).unwrap()).collect()
}

/// Bytes as an encrypted file, and the identity that opens it.
fn sealed(contents: &[u8]) -> (Vec<u8>, age::x25519::Identity) {
    let (folder, identity) = (tempfile::tempdir().unwrap(), age::x25519::Identity::generate());
    let target = folder.path().join("x.age");
    let store = Encrypted::new(Arc::new(Disk), Recipients::parse(&identity.to_public().to_string()).unwrap());
    let mut staged = store.stage(&target).unwrap();
    contents.chunks(10_007).for_each(|piece| staged.write_all(piece).unwrap());
    staged.sync().unwrap();
    let reopened = staged.reopen().unwrap();
    let mut back = vec![0; contents.len()];
    reopened.read_at(0, &mut back).unwrap();
    assert!(back == contents && reopened.size().unwrap() == contents.len() as u64);
    staged.publish().unwrap();
    (std::fs::read(target).unwrap(), identity)
}

fn keys(identity: &age::x25519::Identity) -> Keys {
    let mut keys = Keys::default();
    let ask = lifeboat::crypt::Ask::by(|_| None);
    keys.add(identity.to_string().expose_secret().as_bytes(), "identity", ask).unwrap();
    keys
}

fn open(file: Vec<u8>, keys: &Keys) -> Result<Arc<dyn Source>, UnlockError> {
    Locked::look(Arc::new(file))?.unwrap().unlock(keys)
}

#[test]
fn any_stretch_is_read_from_many_threads() {
    for len in [1, 65_535, 65_536, 65_537, 131_072, 131_073, 700_000] {
        let contents = plain(len);
        let (file, identity) = sealed(&contents);
        let source = open(file, &keys(&identity)).unwrap();
        assert_eq!(source.size().unwrap(), len as u64);
        std::thread::scope(|scope| {
            for thread in 0..6 {
                let (source, contents) = (&source, &contents);
                scope.spawn(move || {
                    let mut state = thread + 1;
                    for _ in 0..12 {
                        let from = next(&mut state) % len;
                        let want = (next(&mut state) % 140_000).min(len - from);
                        let mut buffer = vec![0; want];
                        source.read_at(from as u64, &mut buffer).unwrap();
                        assert!(buffer == contents[from..from + want], "{len}: {want} bytes at {from}");
                    }
                });
            }
        });
        let (mut one, end) = ([0], len as u64);
        source.read_at(end - 1, &mut one).unwrap();
        assert_eq!(source.read_at(end, &mut one).unwrap_err().kind(), std::io::ErrorKind::UnexpectedEof);
        source.read_at(end, &mut []).unwrap();
    }
}

fn next(state: &mut usize) -> usize {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

#[test]
fn a_cut_at_any_place_is_noticed_before_anything_is_read() {
    for len in [200_000, 196_608] {
        let (file, identity) = sealed(&plain(len));
        let keys = keys(&identity);
        let head = file.len() - (len + len.div_ceil(65_536) * 16);
        let boundaries = (0..4).map(|piece| head + piece * PIECE).flat_map(|at| at.saturating_sub(2)..at + 3);
        let cuts: Vec<usize> = boundaries.chain((0..head).step_by(7)).filter(|cut| *cut < file.len()).collect();
        assert!(cuts.len() > 40);
        for cut in cuts {
            let part = file[..cut].to_vec();
            let opened = Locked::look(Arc::new(part)).map(|locked| locked.map(|locked| locked.unlock(&keys)));
            assert!(!matches!(opened, Ok(Some(Ok(_)))), "{cut} of {}", file.len());
        }
        let longer = [&file[..], b"x"].concat();
        assert!(matches!(open(longer, &keys), Err(UnlockError::Altered(_))));
    }
}

#[test]
fn a_changed_bit_spoils_its_piece_and_is_told_from_a_failing_disk() {
    let contents = plain(300_000);
    let (file, identity) = sealed(&contents);
    let (keys, head) = (keys(&identity), file.len() - (300_000 + 5 * 16));
    for at in [0, 10, PIECE - 1, PIECE, 2 * PIECE + 500, 3 * PIECE + 65_540] {
        let mut hurt = file.clone();
        hurt[head + at] ^= 4;
        let source = open(hurt, &keys).unwrap();
        let (piece, mut buffer) = (at / PIECE, vec![0; 1000]);
        let refused = source.read_at((piece * 65_536 + 100) as u64, &mut buffer).unwrap_err();
        assert!(refused.get_ref().unwrap().is::<lifeboat::store::Altered>(), "{refused}");
        let other = if piece == 1 { 0 } else { 65_536 };
        source.read_at(other as u64, &mut buffer).unwrap();
        assert_eq!(buffer, contents[other..other + 1000]);
    }
    for at in 0..head {
        let mut hurt = file.clone();
        hurt[at] ^= 1;
        let opened = Locked::look(Arc::new(hurt)).map(|locked| locked.map(|locked| locked.unlock(&keys)));
        assert!(!matches!(opened, Ok(Some(Ok(_)))), "byte {at} of the head");
    }
}

/// Counts what is asked of it, and fails from some request on.
struct Counted {
    bytes: Vec<u8>,
    requests: Arc<AtomicU64>,
    most: u64,
}

impl Source for Counted {
    fn size(&self) -> std::io::Result<u64> {
        Ok(self.bytes.len() as u64)
    }

    fn read_at(&self, at: u64, buffer: &mut [u8]) -> std::io::Result<()> {
        if self.requests.fetch_add(1, Ordering::Relaxed) >= self.most {
            return Err(std::io::ErrorKind::ConnectionReset.into());
        }
        self.bytes.read_at(at, buffer)
    }
}

#[test]
fn a_stretch_is_one_request() {
    let (file, identity) = sealed(&plain(3_000_000));
    let requests = Arc::new(AtomicU64::new(0));
    let counted = Counted { bytes: file, requests: requests.clone(), most: 8 };
    let source = Locked::look(Arc::new(counted)).unwrap().unwrap().unlock(&keys(&identity)).unwrap();
    let opened = requests.load(Ordering::Relaxed);
    assert!(opened <= 2, "{opened} requests to open it");
    source.read_at(1_000_000, &mut vec![0; 1_000_000]).unwrap();
    assert_eq!(requests.load(Ordering::Relaxed), opened + 1);
    source.read_at(10, &mut [0; 4]).unwrap();
    assert_eq!(
        requests.load(Ordering::Relaxed),
        opened + 2,
        "the beginning, which nobody needs to open a bundle, is brought when asked for"
    );
    let mut failed = source.read_at(2_500_000, &mut [0; 4]);
    while failed.is_ok() {
        failed = source.read_at(next(&mut 3) as u64 % 1000 + 200_000 * requests.load(Ordering::Relaxed), &mut [0; 4]);
    }
    assert_eq!(failed.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset, "that is no altered file");
}

#[test]
fn nonsense_is_refused_without_showing_secrets() {
    let identity = age::x25519::Identity::generate().to_string();
    let secret = identity.expose_secret();
    for nonsense in ["", "# nobody\n", "age1xyz", "ssh-ed25519 nonsense", secret, "-----BEGIN OPENSSH PRIVATE KEY-----"] {
        let refused = Recipients::parse(nonsense).unwrap_err().to_string();
        assert!(!refused.contains(&secret[..30]), "{refused}");
    }
    let ask = || lifeboat::crypt::Ask::by(|_| None);
    for nonsense in [&b""[..], b"age-encryption.org/v1\n", b"AGE-SECRET-KEY-1NONSENSE", b"-----BEGIN OPENSSH PRIVATE KEY-----\nx"]
    {
        let refused = Keys::default().add(nonsense, "file", ask()).unwrap_err().to_string();
        assert!(!refused.contains("NONSENSE"), "{refused}");
    }
}

fn identity(stage: &Stage, name: &str) -> (PathBuf, String) {
    let (path, identity) = (stage.path(name), age::x25519::Identity::generate());
    std::fs::write(&path, format!("# created by hand\n{}\n", identity.to_string().expose_secret())).unwrap();
    (path, identity.to_public().to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_reads_an_encrypted_bundle() {
    let stage = stage(SMALL, "1111", 0).await;
    let ((ours, us), (second, them), (stranger, _)) =
        (identity(&stage, "ours"), identity(&stage, "second"), identity(&stage, "no"));
    let recipients = stage.path("recipients.txt");
    std::fs::write(&recipients, format!("# the safe\n{them}\n")).unwrap();
    code(&stage.run(&["export", "--unlimited", "-q", "-o", "plain.tar.zst"]), 0);
    let exported = stage.run(&["export", "--unlimited", "--recipient", &us, "--recipient", text(&recipients)]);
    code(&exported, 0);
    assert!(String::from_utf8_lossy(&exported.stdout).contains("encrypted for 2 recipients"));
    let names: Vec<PathBuf> = std::fs::read_dir(stage.path("")).unwrap().map(|entry| entry.unwrap().path()).collect();
    let bundle = names.iter().find(|path| path.to_str().unwrap().ends_with(".tar.zst.age")).unwrap();
    let bytes = std::fs::read(bundle).unwrap();
    assert!(bytes.starts_with(b"age-encryption.org/v1\n") && bytes.len() > 2 * PIECE);
    assert!(!bytes.windows(8).any(|window| window == b"LIFEBOAT"), "nothing of the bundle can be seen");
    let bundle = text(bundle);
    for key in [text(&ours), text(&second)] {
        for arguments in [
            &["verify", bundle, "--full"][..],
            &["verify", bundle, "--quick"],
            &["list", bundle, "--long"],
            &["show", bundle, "job:1"],
            &["extract", bundle, "-o", &format!("{key}.out")],
            &["find", bundle, "print"],
            &["import", bundle, "--unlimited", "--plan-only", "--allow-same-workspace"],
            &["check", bundle, "--offline"],
        ] {
            let done = stage.run(&[arguments, &["--identity", key]].concat());
            assert!(matches!(done.status.code(), Some(0 | 3 | 4)) || arguments[0] == "show", "{arguments:?}: {}", err(&done));
            assert!(!err(&done).contains("encrypted"), "{arguments:?}: {}", err(&done));
        }
    }
    code(&stage.run(&["drill", bundle, "--identity", text(&ours)]), 0);
    let content_id = |bundle: &str, key: &[&str]| {
        let listed = stage.run(&[&["list", "--json", bundle], key].concat());
        serde_json::from_slice::<serde_json::Value>(&listed.stdout).unwrap()["content_id"].clone()
    };
    let listed = stage.run(&["list", "--json", bundle, "--identity", text(&ours)]);
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&listed.stdout).unwrap()["encrypted"], true);
    assert_eq!(content_id(bundle, &["--identity", text(&ours)]), content_id("plain.tar.zst", &[]));
    for (arguments, hint) in
        [(&["list", bundle][..], "--identity FILE"), (&["list", bundle, "--identity", text(&stranger)], "not for any")]
    {
        let refused = stage.run(arguments);
        code(&refused, 1);
        assert!(err(&refused).contains(hint) && err(&refused).lines().count() == 2, "{}", err(&refused));
    }
    let key = std::fs::read_to_string(&ours).unwrap();
    let listed = |value: &str| stage.command(&["list", bundle]).env("LIFEBOAT_IDENTITY", value).output().unwrap();
    code(&listed(&key), 0);
    code(&listed(text(&ours)), 0);
    let shown = stage.run(&["list", bundle, "--identity", key.lines().nth(1).unwrap()]);
    code(&shown, 1);
    assert!(err(&shown).contains("command line") && !err(&shown).contains("AGE-SECRET-KEY-1"), "{}", err(&shown));
    hurt(&stage, &bytes, text(&ours));
    stage.server.stop().await;
}

/// Damage is a finding for `verify`, and a reason not to import.
fn hurt(stage: &Stage, bytes: &[u8], key: &str) {
    let flipped = |at: usize| {
        let mut flipped = bytes.to_vec();
        flipped[at] ^= 1;
        flipped
    };
    let cut = |len: usize| bytes[..len].to_vec();
    let head = bytes.windows(5).position(|window| window == b"\n--- ").unwrap();
    for (name, hurt) in [
        ("in the midst", flipped(bytes.len() / 2)),
        ("in the first piece", flipped(head + 500)),
        ("at the end", flipped(bytes.len() - 20)),
        ("cut", cut(bytes.len() - 1)),
        ("cut between pieces", cut(bytes.len() - (bytes.len() - head) % PIECE)),
        ("cut early", cut(head + 100)),
    ] {
        std::fs::write(stage.path("hurt.age"), hurt).unwrap();
        for depth in ["--quick", "--full"] {
            let verified = stage.run(&["verify", "hurt.age", "--identity", key, depth]);
            assert_eq!(verified.status.code(), Some(4), "{name} {depth}: {}", err(&verified));
            assert!(String::from_utf8_lossy(&verified.stdout).contains("DAMAGED"), "{name}");
        }
        code(&stage.run(&["import", "hurt.age", "--unlimited", "--identity", key, "--yes"]), 5);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passphrase_opens_what_it_closed() {
    let stage = stage(Seed::Generated { notebooks: 3, folders: 1, jobs: 1, seed: 1 }, "1111", 0).await;
    std::fs::write(stage.path("words"), "correct horse\n").unwrap();
    let export = ["export", "--unlimited", "-q", "--passphrase", "-o", "b.age"];
    let without = stage.run(&export);
    code(&without, 1);
    assert!(err(&without).contains("--passphrase-file"), "{}", err(&without));
    code(&stage.run(&[&export[..], &["--passphrase-file", "words"]].concat()), 0);
    code(&stage.command(&["verify", "b.age"]).env("LIFEBOAT_PASSPHRASE", "correct horse").output().unwrap(), 0);
    let wrong = stage.command(&["verify", "b.age"]).env("LIFEBOAT_PASSPHRASE", "battery").output().unwrap();
    code(&wrong, 1);
    assert!(err(&wrong).contains("passphrase") && !err(&wrong).contains("battery"), "{}", err(&wrong));
    let none = stage.run(&["import", "b.age", "--unlimited"]);
    code(&none, 1);
    assert!(err(&none).contains("--passphrase-file"), "{}", err(&none));
    code(&stage.run(&["export", "--passphrase", "--recipient", "age1x"]), 2);
    stage.server.stop().await;
}
