//! Addresses of bundles: a path, or an object in a store, as people write them.
//!
//! | address | is |
//! |---|---|
//! | `az://account/container/path` | Azure Blob Storage |
//! | `abfss://container@account.dfs.core.windows.net/path` | the same, as Hadoop and Databricks write it |
//! | `https://account.blob.core.windows.net/container/path?sas` | the same, as the portal shows it, with or without a SAS |
//! | `s3://bucket/path`, `gs://bucket/path` | Amazon S3 and what speaks like it, Google Cloud Storage |
//! | `file:///path`, `path` | the local disk |

use object_store::path::Path as Key;
use percent_encoding::percent_decode_str;
use reqwest::Url;
use secrecy::SecretString;
use std::fmt;
use std::path::{Path, PathBuf};

/// Where a bundle lies, or bundles lie.
#[derive(Clone, Debug)]
pub enum Place {
    /// On the local disk.
    Disk(PathBuf),
    /// In a store behind a network.
    Remote(Box<Remote>),
}

/// An object of a store, or all objects below a prefix. Shown without what signs in.
#[derive(Clone, Debug)]
pub struct Remote {
    pub(super) cloud: Cloud,
    /// Container of Azure, bucket of the others.
    pub(super) container: String,
    pub(super) key: Key,
    shown: String,
    folder: bool,
}

/// Whose store it is.
#[derive(Clone, Debug)]
pub(super) enum Cloud {
    Azure(Account),
    S3,
    Gcs,
}

/// An account of Azure Storage.
#[derive(Clone, Debug)]
pub(super) struct Account {
    pub(super) name: String,
    /// Where it answers, if the address says so: `https://account.blob.core.windows.net`.
    pub(super) endpoint: Option<String>,
    pub(super) sas: Option<SecretString>,
}

/// An address that names no place. It does not repeat the address, which may hold a signature.
#[derive(Debug, thiserror::Error)]
#[error("cannot understand the address {shown}: {why}")]
pub struct PlaceError {
    shown: String,
    why: &'static str,
}

impl PlaceError {
    /// What helps.
    pub fn hint() -> &'static str {
        "write a path, az://ACCOUNT/CONTAINER/PATH, https://ACCOUNT.blob.core.windows.net/CONTAINER/PATH, s3://BUCKET/PATH or gs://BUCKET/PATH"
    }
}

const AZURE: &str = "an address in Azure names account and container: az://ACCOUNT/CONTAINER/PATH";

impl Place {
    /// Reads an address. Errors: it begins like the address of a store, and is none.
    pub fn parse(address: &Path) -> Result<Self, PlaceError> {
        let Some(text) = address.to_str() else { return Ok(Self::Disk(address.to_owned())) };
        let Some((scheme, rest)) = scheme_of(text) else { return Ok(Self::Disk(address.to_owned())) };
        let fail = |why| PlaceError { shown: without_query(text).to_owned(), why };
        let remote = match scheme.to_ascii_lowercase().as_str() {
            "file" => return local(rest).map_err(fail),
            "az" | "azure" => azure(rest),
            "abfs" | "abfss" => hadoop(rest),
            "http" | "https" => web(text),
            "s3" | "s3a" => bucket(Cloud::S3, "s3", rest),
            "gs" => bucket(Cloud::Gcs, "gs", rest),
            _ => Err("there is no such kind of store"),
        };
        remote.map(|remote| Self::Remote(Box::new(remote))).map_err(fail)
    }

    /// Whether it names a folder, so that a bundle put there wants a name of its own: what ends with a slash, and in a store all
    /// that is not called like a bundle.
    pub fn is_folder(&self) -> bool {
        match self {
            Self::Disk(path) => path.as_os_str().as_encoded_bytes().ends_with(b"/"),
            Self::Remote(remote) => remote.folder || !is_bundle_name(remote.key.as_ref()),
        }
    }

    /// A name in this folder.
    #[must_use]
    pub fn join(&self, name: &str) -> Self {
        match self {
            Self::Disk(path) => Self::Disk(path.join(name)),
            Self::Remote(remote) => Self::Remote(Box::new(remote.join(name))),
        }
    }

    /// What it is called there; nothing for the root.
    pub fn name(&self) -> Option<String> {
        match self {
            Self::Disk(path) => path.file_name().map(|name| name.to_string_lossy().into_owned()),
            Self::Remote(remote) => remote.key.filename().map(str::to_owned),
        }
    }

    /// The folder that it lies in.
    #[must_use]
    pub fn folder(&self) -> Self {
        match self {
            Self::Disk(path) => Self::Disk(super::folder_of(path).to_owned()),
            Self::Remote(remote) => Self::Remote(Box::new(remote.folder())),
        }
    }

    /// The same object at the account's secondary endpoint; of other clouds, and on disk, the same place.
    pub(super) fn on_secondary(&self) -> Self {
        let Self::Remote(remote) = self else { return self.clone() };
        let Cloud::Azure(account) = &remote.cloud else { return self.clone() };
        let endpoint = super::client::secondary_of(account).or_else(|| account.endpoint.clone());
        let cloud = Cloud::Azure(Account { endpoint, ..account.clone() });
        Self::Remote(Box::new(Remote { cloud, ..(**remote).clone() }))
    }

    /// A file beside this one, whose name goes on like this.
    #[must_use]
    pub fn beside(&self, ending: &str) -> Self {
        match self {
            Self::Disk(path) => {
                let mut name = path.clone().into_os_string();
                name.push(ending);
                Self::Disk(name.into())
            }
            Self::Remote(remote) => {
                let key = Key::from(format!("{}{ending}", remote.key));
                Self::Remote(Box::new(Remote { key, shown: format!("{}{ending}", remote.shown), ..(**remote).clone() }))
            }
        }
    }
}

impl Remote {
    fn new(cloud: Cloud, container: &str, path: &str, shown: String) -> Result<Self, &'static str> {
        let key = Key::parse(path).map_err(|_| "its path has an empty part, or one that is `.` or `..`")?;
        if container.is_empty() || container.chars().any(|c| c.is_control() || "@:?#\\".contains(c)) {
            return Err("its container or bucket has no name that could be one");
        }
        Ok(Self { cloud, container: container.to_owned(), key, shown, folder: path.is_empty() || path.ends_with('/') })
    }

    fn join(&self, name: &str) -> Self {
        let key = name.split('/').filter(|part| !part.is_empty()).fold(self.key.clone(), Key::join);
        let shown = format!("{}/{name}", self.shown.trim_end_matches('/'));
        Self { key, shown, folder: false, ..self.clone() }
    }

    fn folder(&self) -> Self {
        let above = |text: &str| text.rsplit_once('/').map(|(above, _)| above.to_owned());
        let key = Key::from(above(self.key.as_ref()).unwrap_or_default());
        let shown = above(&self.shown).unwrap_or_else(|| self.shown.clone());
        Self { key, shown, folder: true, ..self.clone() }
    }

    /// The object of this key in the same container.
    pub(super) fn at(&self, key: &Key) -> Self {
        let below = key.as_ref().strip_prefix(self.key.as_ref()).unwrap_or(key.as_ref()).trim_start_matches('/');
        let shown = format!("{}/{below}", self.shown.trim_end_matches('/'));
        Self { key: key.clone(), shown, folder: false, ..self.clone() }
    }

    /// What people call the thing that holds the objects.
    pub(super) fn container_word(&self) -> &'static str {
        if matches!(self.cloud, Cloud::Azure(_)) { "container" } else { "bucket" }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disk(path) => write!(f, "{}", path.display()),
            Self::Remote(remote) => write!(f, "{remote}"),
        }
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

/// How names of bundles end.
const BUNDLE: &str = ".tar.zst";

/// How names of encrypted files end.
const ENCRYPTED: &str = ".age";

/// Whether a name is one that bundles have.
pub fn is_bundle_name(name: &str) -> bool {
    name.strip_suffix(ENCRYPTED).unwrap_or(name).ends_with(BUNDLE)
}

/// Whether a bundle of this name is encrypted, as far as names go: that nobody here can open it must not be found out by trying.
pub fn is_encrypted_name(name: &str) -> bool {
    name.ends_with(ENCRYPTED)
}

/// The name of a bundle.
pub fn bundle_name(stem: &str, is_encrypted: bool) -> String {
    format!("{stem}{BUNDLE}{}", if is_encrypted { ENCRYPTED } else { "" })
}

/// Text without the queries of addresses in it: a SAS, or what else signs in by an address, stands there.
pub fn without_signatures(text: &str) -> String {
    let mut told = String::with_capacity(text.len());
    for part in text.split_inclusive(char::is_whitespace) {
        let word = part.trim_end_matches(char::is_whitespace);
        match word.split_once('?') {
            Some((address, query)) if address.contains("://") || query.contains("sig=") => {
                told.push_str(address);
                told.push_str("?…");
            }
            _ => told.push_str(word),
        }
        told.push_str(&part[word.len()..]);
    }
    told
}

/// What stands before `://`, or before `:` for files. A single letter is a drive of Windows.
fn scheme_of(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let word = scheme.len() > 1 && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    let rest = match rest.strip_prefix("//") {
        Some(rest) => rest,
        None if scheme == "file" => rest,
        None => return None,
    };
    word.then_some((scheme, rest))
}

fn without_query(text: &str) -> &str {
    text.split(['?', '#']).next().unwrap_or_default()
}

fn local(rest: &str) -> Result<Place, &'static str> {
    let path = rest.strip_prefix("localhost/").map_or_else(|| rest.to_owned(), |rest| format!("/{rest}"));
    let path = percent_decode_str(&path).decode_utf8().map_err(|_| "its path is not UTF-8")?.into_owned();
    if path.is_empty() { Err("it names no file") } else { Ok(Place::Disk(path.into())) }
}

fn azure(rest: &str) -> Result<Remote, &'static str> {
    let (account, rest) = rest.split_once('/').ok_or(AZURE)?;
    if account.contains('@') {
        return hadoop(&format!("{account}/{rest}"));
    }
    let (container, path) = rest.split_once('/').unwrap_or((rest, ""));
    let account = Account { name: account_name(account)?, endpoint: None, sas: None };
    let shown = format!("az://{}/{container}/{path}", account.name);
    Remote::new(Cloud::Azure(account), container, path, shown)
}

fn hadoop(rest: &str) -> Result<Remote, &'static str> {
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (container, host) = authority.split_once('@').ok_or("it must be abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/PATH")?;
    let shown = format!("abfss://{container}@{host}/{path}");
    let account = match host.split_once('.') {
        Some(_) => account_at(host, "https")?,
        None => Account { name: account_name(host)?, endpoint: None, sas: None },
    };
    Remote::new(Cloud::Azure(account), container, path, shown)
}

fn web(text: &str) -> Result<Remote, &'static str> {
    let url = Url::parse(text).map_err(|_| "it is no URL")?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("a user or password has no place in it");
    }
    let host = url.host_str().ok_or("it names no host")?;
    let path = percent_decode_str(url.path()).decode_utf8().map_err(|_| "its path is not UTF-8")?.into_owned();
    let mut path = path.trim_start_matches('/');
    let origin = url.origin().ascii_serialization();
    let is_ip = host.parse::<std::net::IpAddr>().is_ok() || host == "localhost" || host.starts_with('[');
    let mut account = if is_ip {
        // An emulator: the account is the first part of the path.
        let (name, rest) = path.split_once('/').ok_or(AZURE)?;
        path = rest;
        let endpoint = Some(format!("{origin}/{name}"));
        Account { name: account_name(name.trim_end_matches("-secondary"))?, endpoint, sas: None }
    } else {
        account_at(host, url.scheme())?
    };
    let (container, path) = path.split_once('/').unwrap_or((path, ""));
    account.sas = url.query().filter(|query| query.contains("sig=")).map(|query| query.to_owned().into());
    if url.query().is_some() && account.sas.is_none() {
        return Err("what stands behind `?` is no SAS: it has no `sig=`");
    }
    let shown = percent_decode_str(without_query(text)).decode_utf8_lossy().into_owned();
    Remote::new(Cloud::Azure(account), container, path, shown)
}

/// `account.blob.core.windows.net`, and the same in sovereign clouds, of data lakes, behind private links and of the secondary.
fn account_at(host: &str, scheme: &str) -> Result<Account, &'static str> {
    let (first, rest) = host.split_once('.').ok_or("its host is none of Azure Blob Storage")?;
    let blob = rest.split('.').any(|label| label == "blob");
    let lake = rest.split('.').any(|label| label == "dfs");
    if !blob && !lake {
        return Err("its host is none of Azure Blob Storage");
    }
    // What a data lake holds is reached by its blob endpoint too, which alone knows conditions on lists of blocks.
    let rest = if blob { rest.to_owned() } else { rest.replacen("dfs", "blob", 1) };
    let name = account_name(first.trim_end_matches("-secondary"))?;
    Ok(Account { name, endpoint: Some(format!("{scheme}://{first}.{rest}")), sas: None })
}

fn account_name(name: &str) -> Result<String, &'static str> {
    let fits = (3..=24).contains(&name.len()) && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    if fits { Ok(name.to_owned()) } else { Err("an account of Azure Storage has 3 to 24 small letters and digits as its name") }
}

fn bucket(cloud: Cloud, scheme: &str, rest: &str) -> Result<Remote, &'static str> {
    let (bucket, path) = rest.split_once('/').unwrap_or((rest, ""));
    Remote::new(cloud, bucket, path, format!("{scheme}://{bucket}/{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    fn remote(text: &str) -> Remote {
        match Place::parse(Path::new(text)).unwrap() {
            Place::Remote(remote) => *remote,
            Place::Disk(path) => panic!("{text} is a path: {}", path.display()),
        }
    }

    fn account(remote: &Remote) -> &Account {
        match &remote.cloud {
            Cloud::Azure(account) => account,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_ways_to_write_a_place_in_azure_mean_the_same() {
        for (text, endpoint) in [
            ("az://acct/bundles/west/b.tar.zst", None),
            ("abfss://bundles@acct.dfs.core.windows.net/west/b.tar.zst", Some("https://acct.blob.core.windows.net")),
            ("abfss://bundles@acct/west/b.tar.zst", None),
            ("https://acct.blob.core.windows.net/bundles/west/b.tar.zst", Some("https://acct.blob.core.windows.net")),
            (
                "https://acct-secondary.blob.core.windows.net/bundles/west/b.tar.zst",
                Some("https://acct-secondary.blob.core.windows.net"),
            ),
            ("https://acct.blob.core.usgovcloudapi.net/bundles/west/b.tar.zst", Some("https://acct.blob.core.usgovcloudapi.net")),
            ("http://127.0.0.1:10000/acct/bundles/west/b.tar.zst", Some("http://127.0.0.1:10000/acct")),
            ("http://127.0.0.1:10000/acct-secondary/bundles/west/b.tar.zst", Some("http://127.0.0.1:10000/acct-secondary")),
        ] {
            let remote = remote(text);
            assert_eq!((remote.container.as_str(), remote.key.as_ref()), ("bundles", "west/b.tar.zst"), "{text}");
            assert_eq!((account(&remote).name.as_str(), account(&remote).endpoint.as_deref()), ("acct", endpoint), "{text}");
            assert_eq!(remote.to_string(), text);
        }
    }

    #[test]
    fn a_sas_is_kept_and_never_shown() {
        let text = "https://acct.blob.core.windows.net/bundles/a%20b.tar.zst?sv=2024&sig=s3cr%2Bet";
        let remote = remote(text);
        assert_eq!(account(&remote).sas.as_ref().unwrap().expose_secret(), "sv=2024&sig=s3cr%2Bet");
        assert_eq!(remote.key.as_ref(), "a b.tar.zst");
        assert!(!format!("{remote} {remote:?} {:?}", remote.join("x")).contains("s3cr"), "{remote:?}");
        let wrong = Place::parse(Path::new("https://example.com/c/b?sig=s3cret")).unwrap_err();
        assert!(!format!("{wrong} {wrong:?}").contains("s3cret"), "{wrong}");
        let told = without_signatures("GET https://a.blob.core.windows.net/c?sv=1&sig=s3cret failed\nand 1 ? 2 : 3");
        assert_eq!(told, "GET https://a.blob.core.windows.net/c?… failed\nand 1 ? 2 : 3");
    }

    #[test]
    fn paths_stay_paths() {
        for text in ["b.tar.zst", "./a:b/c", "C:\\bundles\\b.tar.zst", "az:/x", "/tmp/https/b"] {
            assert!(matches!(Place::parse(Path::new(text)).unwrap(), Place::Disk(path) if path == Path::new(text)), "{text}");
        }
        for text in ["file:///tmp/a%20b", "file:/tmp/a%20b", "file://localhost/tmp/a%20b"] {
            assert!(
                matches!(Place::parse(Path::new(text)).unwrap(), Place::Disk(path) if path == Path::new("/tmp/a b")),
                "{text}"
            );
        }
    }

    #[test]
    fn what_names_no_place_is_refused() {
        for text in [
            "az://acct",
            "az://A_B/c/d",
            "s3://",
            "gs:///x",
            "ftp://a/b",
            "s3://b/../c",
            "s3://b/a//c",
            "https://acct.blob.core.windows.net/c/b?x=1",
        ] {
            assert!(Place::parse(Path::new(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn folders_and_names() {
        for (text, folder) in [
            ("az://acct/c", true),
            ("s3://b/nightly", true),
            ("s3://b/nightly/", true),
            ("s3://b/x.tar.zst", false),
            ("s3://b/x.tar.zst.age", false),
        ] {
            assert_eq!(Place::parse(Path::new(text)).unwrap().is_folder(), folder, "{text}");
        }
        let joined = remote("s3://b/nightly/").join("x.tar.zst");
        assert_eq!((joined.key.as_ref(), joined.to_string().as_str()), ("nightly/x.tar.zst", "s3://b/nightly/x.tar.zst"));
        let root = remote("az://acct/c");
        assert_eq!(root.join("x.tar.zst").to_string(), "az://acct/c/x.tar.zst");
        assert_eq!(root.at(&Key::from("d/y.tar.zst")).to_string(), "az://acct/c/d/y.tar.zst");
    }
}
