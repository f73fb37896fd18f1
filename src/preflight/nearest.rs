//! The nearest node type, runtime or person that a target has: guesses for people to look at, each with its reason.

use super::ask::{Machine, Person, Runtime};
use regex::Regex;
use std::cmp::Ordering;
use std::sync::LazyLock;

/// What a node type is, as far as its name says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Size {
    cores: f64,
    /// GiB.
    memory: f64,
    gpu: bool,
    arm: bool,
}

/// The size that a name stands for: the clouds' own rules of naming.
pub(super) fn size_of(name: &str) -> Option<Size> {
    azure(name).or_else(|| aws(name)).or_else(|| google(name))
}

fn pattern(text: &str) -> Option<Regex> {
    Regex::new(text).ok()
}

/// `Standard_[family][cores]-[cores in use][features]_[accelerator]_v[version]`; the numbers of D and DS up to v2 are steps.
fn azure(name: &str) -> Option<Size> {
    static NAME: LazyLock<Option<Regex>> = LazyLock::new(|| {
        pattern(r"^(?:Standard|Basic)_([A-Z]+)(\d+)(?:-(\d+))?([a-z]*)(?:_[A-Z][A-Z0-9]*)?(?:_v(\d+))?(?:_Promo)?$")
    });
    let found = NAME.as_ref()?.captures(name)?;
    let (family, features) = (found.get(1)?.as_str(), found.get(4)?.as_str());
    let number: u32 = found.get(2)?.as_str().parse().ok()?;
    let version: u32 = found.get(5).and_then(|version| version.as_str().parse().ok()).unwrap_or(1);
    let arm = features.contains('p');
    if matches!(family, "D" | "DS") && version <= 2 {
        let (cores, memory) = old_step(number)?;
        return Some(Size { cores, memory, gpu: false, arm });
    }
    let cores = f64::from(found.get(3).and_then(|used| used.as_str().parse().ok()).unwrap_or(number));
    let per_core = match family.as_bytes().first()? {
        b'D' | b'B' => 4.0,
        b'E' | b'L' | b'H' => 8.0,
        b'F' | b'A' => 2.0,
        b'G' | b'M' => 14.0,
        b'N' => 7.0,
        _ => return None,
    };
    Some(Size { cores, memory: cores * per_core, gpu: family.starts_with('N'), arm })
}

fn old_step(number: u32) -> Option<(f64, f64)> {
    Some(match number {
        1..=5 => (f64::from(1 << (number - 1)), 3.5 * f64::from(1 << (number - 1))),
        11..=14 => (f64::from(1 << (number - 10)), 7.0 * f64::from(1 << (number - 10))),
        15 => (20.0, 140.0),
        _ => return None,
    })
}

/// `m5d.2xlarge`.
fn aws(name: &str) -> Option<Size> {
    static NAME: LazyLock<Option<Regex>> = LazyLock::new(|| pattern(r"^([a-z]+)(\d+)([a-z-]*)\.(?:(\d*)x(large)|(large))$"));
    let found = NAME.as_ref()?.captures(name)?;
    let (family, features) = (found.get(1)?.as_str(), found.get(3)?.as_str());
    let times = found.get(4).map_or("", |times| times.as_str());
    let cores = match (found.get(6), times) {
        (Some(_), _) => 2.0,
        (None, "") => 4.0,
        (None, times) => 4.0 * times.parse::<f64>().ok()?,
    };
    let (per_core, gpu) = match family.as_bytes().first()? {
        b'm' | b't' => (4.0, false),
        b'r' | b'i' | b'z' | b'd' | b'h' => (8.0, false),
        b'c' => (2.0, false),
        b'x' | b'u' => (16.0, false),
        b'g' | b'p' => (4.0, true),
        _ => return None,
    };
    Some(Size { cores, memory: cores * per_core, gpu, arm: features.starts_with('g') })
}

/// `n2-highmem-8`, `a2-highgpu-2g`.
fn google(name: &str) -> Option<Size> {
    static NAME: LazyLock<Option<Regex>> =
        LazyLock::new(|| pattern(r"^([a-z]\d+[a-z]*)-(standard|highmem|highcpu|highgpu|megagpu|ultragpu)-(\d+)(?:g|-lssd)?$"));
    let found = NAME.as_ref()?.captures(name)?;
    let (series, sort) = (found.get(1)?.as_str(), found.get(2)?.as_str());
    let number: f64 = found.get(3)?.as_str().parse().ok()?;
    let (cores, per_core) = match sort {
        "standard" => (number, 4.0),
        "highmem" => (number, 8.0),
        "highcpu" => (number, 1.0),
        _ => (number * 12.0, 7.0),
    };
    let gpu = sort.ends_with("gpu") || series.starts_with('g');
    Some(Size { cores, memory: cores * per_core, gpu, arm: matches!(series, "t2a" | "c4a") })
}

/// The offered node type that is most like one of this name. One that is too small costs more than one that is too large.
pub(super) fn machine<'a>(name: &str, offered: &'a [Machine]) -> Option<(&'a Machine, String)> {
    let wanted = size_of(name)?;
    let fit = |one: &&Machine| one.missing().is_none() && one.is_deprecated != Some(true) && one.is_hidden != Some(true);
    let like = |one: &&Machine| {
        let arm = one.is_graviton.or_else(|| size_of(&one.node_type_id).map(|size| size.arm)).unwrap_or_default();
        (one.num_gpus.unwrap_or_default() > 0) == wanted.gpu && arm == wanted.arm
    };
    let far = |one: &Machine| 2.0 * distance(wanted.cores, one.num_cores) + distance(wanted.memory, one.memory_mb / 1024.0);
    let kin = |one: &Machine| usize::MAX - same_letters(name, &one.node_type_id);
    let nearer = |one: &&Machine, other: &&Machine| {
        let by_size = far(one).total_cmp(&far(other));
        by_size.then_with(|| kin(one).cmp(&kin(other))).then_with(|| other.node_type_id.cmp(&one.node_type_id))
    };
    let best = offered.iter().filter(fit).filter(like).min_by(nearer)?;
    let why = format!(
        "{} cores and {} GiB, for about {} and {}",
        best.num_cores,
        (best.memory_mb / 1024.0).round(),
        wanted.cores,
        wanted.memory
    );
    Some((best, why))
}

fn distance(wanted: f64, offered: f64) -> f64 {
    let steps = (offered.max(0.01) / wanted.max(0.01)).log2();
    if steps < 0.0 { -2.0 * steps } else { steps }
}

fn same_letters(one: &str, other: &str) -> usize {
    one.chars().zip(other.chars()).take_while(|(one, other)| one == other).count()
}

/// A runtime's key: `15.4.x-cpu-ml-scala2.12`.
#[derive(Debug, PartialEq, Eq)]
struct Version<'a> {
    number: (u32, u32),
    /// `cpu-ml`, `photon`, …; nothing for the plain one.
    flavour: Vec<&'a str>,
    scala: &'a str,
}

fn version(key: &str) -> Option<Version<'_>> {
    let (number, rest) = key.split_once(".x")?;
    let (major, minor) = number.split_once('.')?;
    let parts: Vec<&str> = rest.split('-').filter(|part| !part.is_empty()).collect();
    Some(Version {
        number: (major.parse().ok()?, minor.parse().ok()?),
        flavour: parts.iter().copied().filter(|part| !part.starts_with("scala")).collect(),
        scala: parts.iter().copied().find(|part| part.starts_with("scala")).unwrap_or_default(),
    })
}

/// The nearest runtime with long-term support of the same sort: the lowest that is not older, or else the newest.
pub(super) fn runtime<'a>(key: &str, offered: &'a [Runtime]) -> Option<(&'a Runtime, String)> {
    let wanted = version(key)?;
    let like = |flavour: &[&str], supported: bool| {
        let fits = |one: &&Runtime| {
            let same = version(&one.key).is_some_and(|version| version.flavour == flavour);
            same && (one.name.contains("LTS") || !supported)
        };
        offered.iter().filter(fits).min_by(|one, other| nearer(&wanted, &one.key, &other.key))
    };
    let plain: Vec<&str> = wanted.flavour.iter().copied().filter(|part| *part != "photon").collect();
    let best = like(&wanted.flavour, true).or_else(|| like(&plain, true)).or_else(|| like(&wanted.flavour, false))?;
    let why = if best.name.is_empty() { "the nearest that is offered".to_owned() } else { best.name.clone() };
    Some((best, why))
}

fn nearer(wanted: &Version<'_>, one: &str, other: &str) -> Ordering {
    let rank = |key: &str| {
        let version = version(key);
        let number = version.as_ref().map_or((0, 0), |version| version.number);
        let older = number < wanted.number;
        let way = |number: (u32, u32)| i64::from(number.0) * 1000 + i64::from(number.1);
        (older, (way(number) - way(wanted.number)).abs(), version.is_none_or(|version| version.scala != wanted.scala))
    };
    rank(one).cmp(&rank(other)).then_with(|| one.cmp(other))
}

/// Whoever in the target may be somebody of the source: the same name but for its letters, the same name before another
/// domain, or the same display name, where only one has it.
pub(super) fn person<'a>(
    kinds: &[&str],
    key: &str,
    display: Option<&str>,
    offered: &'a [Person],
) -> Option<(&'a Person, String)> {
    let candidates = || offered.iter().filter(|one| kinds.contains(&one.kind) && one.key != key && !one.key.is_empty());
    let only = |fits: &dyn Fn(&&Person) -> bool| {
        let mut found = candidates().filter(|one| fits(one));
        found.next().filter(|_| found.next().is_none())
    };
    let local = |name: &str| name.split_once('@').map(|(local, _)| local.to_lowercase());
    let wanted = local(key);
    let same_letters = only(&|one| one.key.eq_ignore_ascii_case(key)).map(|one| (one, "the same name but for its case"));
    let same_mail = || {
        let wanted = wanted.as_ref()?;
        only(&|one| local(&one.key).as_ref() == Some(wanted)).map(|one| (one, "the same name at another domain"))
    };
    let same_display = || {
        let display = display.filter(|display| !display.is_empty() && *display != key)?;
        only(&|one| one.kind != "group" && one.display == display).map(|one| (one, "the same display name"))
    };
    same_letters.or_else(same_mail).or_else(same_display).map(|(one, why)| (one, why.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn machine_of(name: &str, cores: f64, gib: f64) -> Machine {
        Machine { node_type_id: name.into(), num_cores: cores, memory_mb: gib * 1024.0, ..Machine::default() }
    }

    #[test]
    fn names_tell_sizes() {
        for (name, cores, memory) in [
            ("Standard_DS3_v2", 4.0, 14.0),
            ("Standard_DS13_v2", 8.0, 56.0),
            ("Standard_D4ds_v5", 4.0, 16.0),
            ("Standard_E8-4ds_v5", 4.0, 32.0),
            ("Standard_NC4as_T4_v3", 4.0, 28.0),
            ("m5.large", 2.0, 8.0),
            ("r6gd.4xlarge", 16.0, 128.0),
            ("c5.xlarge", 4.0, 8.0),
            ("n2-highmem-8", 8.0, 64.0),
            ("a2-highgpu-1g", 12.0, 84.0),
        ] {
            let size = size_of(name).expect(name);
            assert_eq!((size.cores, size.memory), (cores, memory), "{name}");
        }
        assert!(size_of("Standard_NC4as_T4_v3").expect("known").gpu && size_of("r6gd.4xlarge").expect("known").arm);
        assert_eq!((size_of("my-machine"), size_of("dev-tier-node")), (None, None));
    }

    #[test]
    fn the_nearest_machine_is_not_smaller_and_of_the_same_sort() {
        let gone = Machine {
            node_info: serde_json::from_value(json!({"status": ["NotAvailableInRegion"]})).expect("good"),
            ..machine_of("Standard_D4s_v3", 4.0, 14.0)
        };
        let old = Machine { is_deprecated: Some(true), ..machine_of("Standard_D4_v3", 4.0, 14.0) };
        let gpu = Machine { num_gpus: Some(1), ..machine_of("Standard_NC4as_T4_v3", 4.0, 28.0) };
        let small = machine_of("Standard_D2ds_v5", 2.0, 8.0);
        let offered =
            [gone, old, gpu, small, machine_of("Standard_D4ds_v5", 4.0, 16.0), machine_of("Standard_E4ds_v5", 4.0, 32.0)];
        let nearest = |name: &str| machine(name, &offered).map(|(one, _)| one.node_type_id.as_str());
        assert_eq!(nearest("Standard_DS3_v2"), Some("Standard_D4ds_v5"));
        assert_eq!(nearest("m5.xlarge"), Some("Standard_D4ds_v5"), "from another cloud");
        assert_eq!(nearest("Standard_NC6s_v3"), Some("Standard_NC4as_T4_v3"), "graphics processors stay");
        assert_eq!(nearest("m6g.xlarge"), None, "nothing here has an ARM processor");
    }

    #[test]
    fn the_nearest_runtime_has_long_term_support_and_the_same_sort() {
        let all = [
            ("13.3.x-scala2.12", "13.3 LTS"),
            ("15.4.x-scala2.12", "15.4 LTS"),
            ("15.4.x-cpu-ml-scala2.12", "15.4 LTS ML"),
            ("16.2.x-scala2.12", "16.2"),
            ("16.4.x-photon-scala2.12", "16.4 LTS Photon"),
            ("17.3.x-scala2.13", "17.3 LTS"),
        ];
        let offered = all.map(|(key, name)| Runtime { key: key.into(), name: name.into() });
        let nearest = |key: &str| runtime(key, &offered).map(|(one, _)| one.key.as_str());
        assert_eq!(nearest("14.3.x-scala2.12"), Some("15.4.x-scala2.12"), "the lowest that is not older");
        assert_eq!(nearest("14.3.x-cpu-ml-scala2.12"), Some("15.4.x-cpu-ml-scala2.12"));
        assert_eq!(nearest("18.1.x-scala2.13"), Some("17.3.x-scala2.13"), "or else the newest");
        assert_eq!(nearest("15.1.x-photon-scala2.12"), Some("16.4.x-photon-scala2.12"));
        assert_eq!((nearest("14.3.x-gpu-ml-scala2.12"), nearest("custom:mine")), (None, None));
    }

    #[test]
    fn people_are_guessed_only_where_there_is_one() {
        let one = |kind, key: &str, display: &str| Person { kind, key: key.into(), display: display.into() };
        let offered = [
            one("user", "ada@new.example", "Ada Lind"),
            one("user", "bo@a.example", "Bo"),
            one("user", "bo@b.example", "Bo"),
            one("group", "Analysts", "Analysts"),
            one("service_principal", "id-2", "nightly-robot"),
        ];
        let guess = |kinds: &[&str], key: &str, display| person(kinds, key, display, &offered).map(|(one, _)| one.key.as_str());
        assert_eq!(guess(&["user"], "Ada@old.example", None), Some("ada@new.example"));
        assert_eq!(guess(&["user"], "bo@old.example", Some("Bo")), None, "two may be meant");
        assert_eq!(guess(&["group"], "analysts", None), Some("Analysts"));
        assert_eq!(guess(&["service_principal"], "id-1", Some("nightly-robot")), Some("id-2"));
        assert_eq!(guess(&["group"], "ada@old.example", None), None, "somebody else");
    }
}
