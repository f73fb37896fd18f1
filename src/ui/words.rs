//! Numbers and times as people read them: binary units, UTC, RFC 3339.

pub use lifeboat::page::size;

/// A count with its noun: `1 job`, `2 jobs`.
pub fn count(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_binary() {
        assert_eq!(
            (size(1023), size(1024), size(1_572_864), size(1 << 40)),
            ("1023 B".into(), "1.0 KiB".into(), "1.5 MiB".into(), "1.0 TiB".into())
        );
        assert_eq!(size((1 << 20) - 1), "1.0 MiB");
    }
}
