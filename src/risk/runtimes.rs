//! Until when the publisher supports a runtime.
//!
//! Source: "Databricks Runtime release notes versions and compatibility", its tables of supported versions, and "Databricks
//! Runtime end-of-support history", both as published at docs.databricks.com and learn.microsoft.com. What they do not date is not
//! dated here.

use jiff::civil::{Date, date};

/// The day up to which the table knows what the publisher said.
pub const AS_OF: &str = "2026-06-15";

/// End of support by major and minor version. From 18 on a version has no minor number.
const ENDS: &[(u16, u16, Date)] = &[
    (10, 4, date(2025, 3, 18)),
    (11, 3, date(2025, 10, 19)),
    (12, 2, date(2026, 3, 1)),
    (13, 3, date(2026, 8, 22)),
    (14, 3, date(2027, 2, 1)),
    (15, 4, date(2027, 8, 19)),
    (16, 4, date(2028, 5, 9)),
    (17, 0, date(2025, 12, 23)),
    (17, 1, date(2026, 2, 1)),
    (17, 2, date(2026, 3, 26)),
    (17, 3, date(2028, 10, 22)),
    (18, 0, date(2029, 6, 10)),
];

/// The last version whose images were taken away: a cluster with it, or an older one, is refused.
const REMOVED: (u16, u16) = (10, 3);

/// The newest version that the table knows.
const NEWEST: (u16, u16) = (18, 0);

/// What is known of the support of a runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// It ends, or ended, on this day.
    Until(Date),
    /// It has ended, and the publisher does not say any more on which day.
    Ended,
    /// The version was removed: no cluster starts with it.
    Removed,
    /// Nothing: the version is newer than the table, or an image of somebody's own.
    Unknown,
}

/// What is known of a `spark_version`, as `15.4.x-scala2.12` or `13.3.x-cpu-ml-scala2.12`. Nothing where it names no version, as
/// `auto:latest-lts` does, or a `custom:` image.
pub fn support(version: &str) -> Option<Support> {
    let version = version.strip_prefix("apache-spark-").map_or(version, |_| "0.0");
    let mut parts = version.split(['.', '-']);
    let major: u16 = parts.next()?.parse().ok()?;
    let minor: u16 = parts.next().and_then(|minor| minor.parse().ok()).unwrap_or_default();
    let at = if major >= NEWEST.0 { (major, 0) } else { (major, minor) };
    if let Some((.., end)) = ENDS.iter().find(|(major, minor, _)| (*major, *minor) == at) {
        return Some(Support::Until(*end));
    }
    Some(match at {
        at if at > NEWEST => Support::Unknown,
        at if at <= REMOVED => Support::Removed,
        _ => Support::Ended,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_the_table() {
        for (version, expected) in [
            ("15.4.x-scala2.12", Some(Support::Until(date(2027, 8, 19)))),
            ("13.3.x-cpu-ml-scala2.12", Some(Support::Until(date(2026, 8, 22)))),
            ("15.3.x-scala2.12", Some(Support::Ended)),
            ("9.1.x-scala2.12", Some(Support::Removed)),
            ("18.x-scala2.13", Some(Support::Until(date(2029, 6, 10)))),
            ("18.1.x-scala2.13", Some(Support::Until(date(2029, 6, 10)))),
            ("19.x-scala2.13", Some(Support::Unknown)),
            ("apache-spark-2.4.x-scala2.11", Some(Support::Removed)),
            ("auto:latest-lts", None),
            ("custom:release__15.4", None),
        ] {
            assert_eq!(support(version), expected, "{version}");
        }
    }

    #[test]
    fn the_table_is_in_order() {
        assert!(ENDS.is_sorted_by_key(|(major, minor, _)| (*major, *minor)));
        assert!(AS_OF.parse::<Date>().is_ok());
    }
}
